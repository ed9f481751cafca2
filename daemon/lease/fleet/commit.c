/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/fleet/internal.h"

static const char *keep_key(struct fleet_commit *d, const char *key) {
        snprintf(d->keys[d->n_keys], FLEET_KEY_MAX, "%s", key);
        return d->keys[d->n_keys++];
}

void fleet_commit_replace(struct fleet_commit *d, const char *key, int64_t modified, char *text,
                          bool is_delete, bool session) {
        const char *kept = keep_key(d, key);

        d->no_memory |= text == NULL && !is_delete;
        d->checks[d->n_checks++] = (struct coordinator_check){ kept, modified };
        d->texts[d->n_writes] = text;
        d->writes[d->n_writes++] = (struct coordinator_write){ kept, text, session, 0 };
}

void fleet_commit_check(struct fleet_commit *d, const char *key, int64_t modified) {
        d->checks[d->n_checks++] = (struct coordinator_check){ keep_key(d, key), modified };
}

void fleet_commit_delete(struct fleet_commit *d, const char *key) {
        d->writes[d->n_writes++] = (struct coordinator_write){ keep_key(d, key), NULL, false, 0 };
}

int fleet_commit_send(const struct fleet *f, struct fleet_commit *d) {
        const struct coordinator_commit commit = { d->checks, d->n_checks, d->writes,
                                                   d->n_writes };

        return d->no_memory ? -ENOMEM : f->parts.calls->commit(f->parts.coordinator, &commit);
}

struct fleet_commit *fleet_commit_free(struct fleet_commit *d) {
        for (size_t i = 0; d != NULL && i < d->n_writes; i++)
                free(d->texts[i]);
        free(d);
        return NULL;
}

/* Takes the workers out of the record of their old owner; deletes an empty record. */
static void take_from_owner(const struct fleet *f, struct fleet_commit *d,
                            const struct fleet_owner *owner, const struct worker_set *taken) {
        struct record_host *rest = malloc(sizeof(*rest));
        char key[FLEET_KEY_MAX];
        bool empty;

        if (rest == NULL) {
                d->no_memory = true;
                return;
        }
        *rest = *owner->record;
        worker_set_subtract(&rest->workers, taken);
        empty = worker_set_count(&rest->workers) == 0;
        fleet_commit_replace(d, fleet_key_of(f, key, "host", rest->nonce), owner->modified,
                             empty ? NULL : record_host_text(rest, &f->parts.space.layout), empty,
                             false);
        free(rest);
}

void fleet_commit_region(const struct fleet *f, struct fleet_commit *d,
                         const struct fleet_view *view, const struct worker_set *taken) {
        struct record_contract contract = view->contract;
        struct record_used used = view->used;
        char key[FLEET_KEY_MAX];

        worker_set_unite(&used.workers, taken);
        used.claims++;
        fleet_commit_replace(d, fleet_key_of(f, key, "used", ""), view->used_modified,
                             record_used_text(&used), false, false);
        if (worker_set_has(&contract.regions, f->parts.space.region)) {
                fleet_commit_check(d, "contract", view->contract_modified);
                return;
        }
        memcpy(contract.space, f->space_name, RECORD_HEX);
        worker_set_add(&contract.regions, f->parts.space.region);
        fleet_commit_replace(d, "contract", view->contract_modified,
                             record_contract_text(&contract), false, false);
}

void fleet_commit_owners(const struct fleet *f, struct fleet_commit *d,
                         const struct fleet_view *view, const struct worker_set *taken) {
        bool *done = calloc(view->n_owners + 1, sizeof(*done));

        d->no_memory |= done == NULL;
        for (uint32_t w = worker_set_next(taken, 0); done != NULL && w < WORKER_SET_MAX;
             w = worker_set_next(taken, w + 1)) {
                int32_t owner = view->of_worker[w];

                if (owner < 0 || done[owner])
                        continue;
                done[owner] = true;
                take_from_owner(f, d, &view->owners[owner], taken);
        }
        free(done);
}

