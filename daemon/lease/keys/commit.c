/* SPDX-License-Identifier: MIT */
#include "daemon/lease/keys/commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has_room(struct fleet_commit *d, size_t n) {
        if (n == COORDINATOR_COMMIT_MAX)
                d->error = -E2BIG;
        return n < COORDINATOR_COMMIT_MAX;
}

const char *fleet_commit_key(struct fleet_commit *d, const char *kind, const char *name) {
        if (!has_room(d, d->n_keys))
                return "";
        return fleet_key(d->keys[d->n_keys++], d->space->region, kind, name);
}

void fleet_commit_check(struct fleet_commit *d, const char *key, int64_t modified) {
        if (has_room(d, d->n_checks))
                d->checks[d->n_checks++] = (struct coordinator_check){ key, modified };
}

void fleet_commit_delete(struct fleet_commit *d, const char *key) {
        if (has_room(d, d->n_writes))
                d->writes[d->n_writes++] = (struct coordinator_write){ key, NULL, false, 0 };
}

void fleet_commit_write(struct fleet_commit *d, const char *key, char *text, bool session) {
        if (text == NULL) {
                d->error = -ENOMEM;
        } else if (has_room(d, d->n_writes)) {
                d->texts[d->n_writes] = text;
                d->writes[d->n_writes++] = (struct coordinator_write){ key, text, session, 0 };
        } else {
                free(text);
        }
}

void fleet_commit_replace(struct fleet_commit *d, const char *key, int64_t modified, char *text) {
        fleet_commit_check(d, key, modified);
        fleet_commit_write(d, key, text, false);
}

void fleet_commit_owner(struct fleet_commit *d, const struct fleet_owner *owner,
                        const struct record_host *record) {
        const char *key = fleet_commit_key(d, "host", record->nonce);

        fleet_commit_check(d, key, owner->modified);
        if (worker_set_count(&record->workers) == 0)
                fleet_commit_delete(d, key);
        else
                fleet_commit_write(d, key,
                                   record_keep(owner->later,
                                               record_host_text(record, &d->space->layout)),
                                   false);
}

void fleet_commit_record(struct fleet_commit *d, const struct record_host *record,
                         int64_t modified) {
        const struct fleet_owner ours = { .modified = modified };

        fleet_commit_owner(d, &ours, record);
}

void fleet_commit_used(struct fleet_commit *d, const struct fleet_view *view,
                       const struct worker_set *taken, uint64_t claims) {
        struct record_used used = view->used;

        worker_set_unite(&used.workers, taken);
        used.claims = claims;
        fleet_commit_replace(d, fleet_commit_key(d, "used", ""), view->used_modified,
                             record_keep(view->used_later, record_used_text(&used)));
}

void fleet_commit_contract(struct fleet_commit *d, const struct fleet_view *view,
                           const struct record_contract *contract) {
        char *was = record_contract_text(&view->contract), *is = record_contract_text(contract);

        if (was != NULL && is != NULL && strcmp(was, is) == 0) {
                free(is);
                fleet_commit_check(d, "contract", view->contract_modified);
        } else {
                fleet_commit_replace(d, "contract", view->contract_modified,
                                     record_keep(view->contract_later, is));
        }
        free(was);
}

void fleet_commit_region(struct fleet_commit *d, const struct fleet_view *view,
                         const struct worker_set *taken) {
        struct record_contract contract = view->contract;

        worker_set_add(&contract.regions, d->space->region);
        fleet_commit_used(d, view, taken, view->used.claims + 1);
        fleet_commit_contract(d, view, &contract);
}

uint64_t fleet_commit_owners(struct fleet_commit *d, const struct fleet_view *view,
                             const struct worker_set *taken) {
        uint64_t fence_tick = 0;

        for (size_t i = 0; i < view->n_owners; i++) {
                struct record_host rest;

                if (!record_brief_has_any(view->owners[i].record, taken))
                        continue;
                record_brief_expand(view->owners[i].record, &rest);
                worker_set_subtract(&rest.workers, taken);
                fleet_commit_owner(d, &view->owners[i], &rest);
                if (rest.fence_tick > fence_tick)
                        fence_tick = rest.fence_tick;
        }
        return fence_tick;
}

int64_t fleet_commit_modified(const struct fleet_commit *d, const char *key, int64_t modified) {
        for (size_t i = 0; i < d->n_writes; i++)
                if (strcmp(d->writes[i].key, key) == 0)
                        return d->writes[i].modified;
        return modified;
}

int fleet_commit_send(struct fleet_commit *d, const struct coordinator_calls *calls,
                      void *coordinator) {
        const struct coordinator_commit commit = { d->checks, d->n_checks, d->writes, d->n_writes };
        int r = d->error != 0 ? d->error : calls->commit(coordinator, &commit);

        for (size_t i = 0; i < d->n_writes; i++)
                free(d->texts[i]);
        return r;
}
