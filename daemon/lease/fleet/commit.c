/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *draft_key(struct fleet_draft *d, const char *key) {
        snprintf(d->keys[d->n_keys], FLEET_KEY_MAX, "%s", key);
        return d->keys[d->n_keys++];
}

void fleet_draft_replace(struct fleet_draft *d, const char *key, int64_t modified, char *text,
                         bool is_delete, bool session) {
        const char *kept = draft_key(d, key);

        d->no_memory |= text == NULL && !is_delete;
        d->checks[d->n_checks++] = (struct coordinator_check){ kept, modified };
        d->texts[d->n_writes] = text;
        d->writes[d->n_writes++] = (struct coordinator_write){ kept, text, session, 0 };
}

void fleet_draft_check(struct fleet_draft *d, const char *key, int64_t modified) {
        d->checks[d->n_checks++] = (struct coordinator_check){ draft_key(d, key), modified };
}

void fleet_draft_delete(struct fleet_draft *d, const char *key) {
        d->writes[d->n_writes++] =
                (struct coordinator_write){ draft_key(d, key), NULL, false, 0 };
}

int fleet_draft_commit(const struct fleet *f, struct fleet_draft *d) {
        const struct coordinator_commit commit = { d->checks, d->n_checks, d->writes,
                                                   d->n_writes };

        return d->no_memory ? -ENOMEM : f->parts.calls->commit(f->parts.coordinator, &commit);
}

struct fleet_draft *fleet_draft_free(struct fleet_draft *d) {
        for (size_t i = 0; d != NULL && i < d->n_writes; i++)
                free(d->texts[i]);
        free(d);
        return NULL;
}

/* Takes the workers out of their old owner's record, or the record away. */
static void draft_owner(const struct fleet *f, struct fleet_draft *d,
                        const struct fleet_owner *owner, const struct workers *taken) {
        struct record_host *rest = malloc(sizeof(*rest));
        char key[FLEET_KEY_MAX];
        bool empty;

        if (rest == NULL) {
                d->no_memory = true;
                return;
        }
        *rest = *owner->record;
        for (uint32_t w = workers_next(taken, 0); w < WORKERS_MAX; w = workers_next(taken, w + 1))
                workers_remove(&rest->workers, w);
        empty = workers_count(&rest->workers) == 0;
        fleet_draft_replace(d, fleet_key_of(f, key, "host", rest->nonce), owner->modified,
                            empty ? NULL : record_host_text(rest, &f->parts.space.layout), empty,
                            false);
        free(rest);
}

void fleet_draft_region(const struct fleet *f, struct fleet_draft *d,
                        const struct fleet_view *view, const struct workers *taken) {
        struct record_contract contract = view->contract;
        struct record_used used = view->used;
        char key[FLEET_KEY_MAX];

        for (uint32_t w = workers_next(taken, 0); w < WORKERS_MAX; w = workers_next(taken, w + 1))
                workers_add(&used.workers, w);
        used.claims++;
        fleet_draft_replace(d, fleet_key_of(f, key, "used", ""), view->used_modified,
                            record_used_text(&used), false, false);
        if (workers_has(&contract.regions, f->parts.space.region)) {
                fleet_draft_check(d, "contract", view->contract_modified);
                return;
        }
        memcpy(contract.space, f->space_name, RECORD_HEX);
        workers_add(&contract.regions, f->parts.space.region);
        fleet_draft_replace(d, "contract", view->contract_modified,
                            record_contract_text(&contract), false, false);
}

void fleet_draft_owners(const struct fleet *f, struct fleet_draft *d,
                        const struct fleet_view *view, const struct workers *taken) {
        bool *done = calloc(view->n_owners + 1, sizeof(*done));

        d->no_memory |= done == NULL;
        for (uint32_t w = workers_next(taken, 0); done != NULL && w < WORKERS_MAX;
             w = workers_next(taken, w + 1)) {
                int32_t owner = view->of_worker[w];

                if (owner < 0 || done[owner])
                        continue;
                done[owner] = true;
                draft_owner(f, d, &view->owners[owner], taken);
        }
        free(done);
}

