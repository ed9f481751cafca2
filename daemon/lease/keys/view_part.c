/* SPDX-License-Identifier: MIT */
#include "daemon/lease/keys/view_part.h"

#include <errno.h>
#include <stdlib.h>

static int make_room(struct fleet_view *view) {
        struct fleet_owner *owners =
                reallocarray(view->owners, view->n_owners + 1, sizeof(*owners));
        struct fleet_odd_key *damaged =
                reallocarray(view->damaged, view->n_damaged + 1, sizeof(*damaged));

        if (owners != NULL)
                view->owners = owners;
        if (damaged != NULL)
                view->damaged = damaged;
        if (owners == NULL || damaged == NULL)
                return -ENOMEM;
        owners[view->n_owners] = (struct fleet_owner){ .alive = true };
        return 0;
}

int fleet_view_add_host(struct fleet_view *view, const struct coordinator_calls *calls,
                        void *coordinator, const struct fleet_space *space, const char *nonce) {
        struct coordinator_list list = { .n = 0 };
        const struct coordinator_item *item;
        char key[FLEET_KEY_MAX];
        int r = calls->list(coordinator, fleet_key(key, space->region, "host", nonce), &list);

        if (r < 0)
                return r;
        item = coordinator_find(&list, key);
        if (item != NULL)
                r = make_room(view);
        if (item != NULL && r == 0)
                r = fleet_view_take_host(view, item, nonce, space);
        coordinator_list_clear(&list);
        return r;
}

int fleet_view_add_lives(struct fleet_view *view, const struct coordinator_calls *calls,
                         void *coordinator, const struct fleet_space *space) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < view->n_owners; i++) {
                struct fleet_owner *owner = &view->owners[i];
                struct coordinator_list list = { .n = 0 };
                char key[FLEET_KEY_MAX];

                r = calls->list(coordinator,
                                fleet_key(key, space->region, "alive", owner->record->life), &list);
                if (r == 0)
                        owner->alive = coordinator_find(&list, key) != NULL;
                coordinator_list_clear(&list);
        }
        return r;
}

int fleet_view_add_used(struct fleet_view *view, const struct coordinator_calls *calls,
                        void *coordinator, const struct fleet_space *space) {
        struct coordinator_list list = { .n = 0 };
        char key[FLEET_KEY_MAX];
        int r;

        if (!worker_set_has(&view->contract.regions, space->region))
                return 1;
        r = calls->list(coordinator, fleet_key(key, space->region, "used", ""), &list);
        if (r == 0)
                r = coordinator_find(&list, key) == NULL
                            ? 1
                            : fleet_view_take_used(view, &list, space);
        for (uint32_t w = 0; r == 0 && w < view->end; w++)
                if (view->of_worker[w] == FLEET_NEVER_USED &&
                    worker_set_has(&view->used.workers, w))
                        view->of_worker[w] = FLEET_REFUSED;
        coordinator_list_clear(&list);
        return r;
}
