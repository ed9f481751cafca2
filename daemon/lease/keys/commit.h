/* SPDX-License-Identifier: MIT */
#pragma once
/* A commit under construction, for claims, renewals, resizes and repairs. */
#include "daemon/lease/keys/coordinator.h"
#include "daemon/lease/keys/view.h"

/* All but `space` is zero at first. Owns its texts until it is sent. */
struct fleet_commit {
        const struct fleet_space *space;
        struct coordinator_check checks[COORDINATOR_COMMIT_MAX];
        struct coordinator_write writes[COORDINATOR_COMMIT_MAX];
        char *texts[COORDINATOR_COMMIT_MAX];
        char keys[COORDINATOR_COMMIT_MAX][FLEET_KEY_MAX];
        size_t n_checks, n_writes, n_keys;
        int error; /* -ENOMEM; -E2BIG: more than fits */
};

/* As fleet_key(); belongs to the commit. The keys that the others take outlive it. */
const char *fleet_commit_key(struct fleet_commit *d, const char *kind, const char *name);
void fleet_commit_check(struct fleet_commit *d, const char *key, int64_t modified);
/* Unconditionally. Takes `text` over; NULL: no memory. */
void fleet_commit_write(struct fleet_commit *d, const char *key, char *text, bool session);
void fleet_commit_delete(struct fleet_commit *d, const char *key); /* unconditionally */
/* Writes it if it is unchanged since it was read. */
void fleet_commit_replace(struct fleet_commit *d, const char *key, int64_t modified, char *text);
/* Likewise a host's record; deletes it if it has no workers. */
void fleet_commit_record(struct fleet_commit *d, const struct record_host *record,
                         int64_t modified);
/* Likewise, of another host: keeps what another release wrote there. */
void fleet_commit_owner(struct fleet_commit *d, const struct fleet_owner *owner,
                        const struct record_host *record);
/* Marks the workers as used, in a claim of that number. */
void fleet_commit_used(struct fleet_commit *d, const struct fleet_view *view,
                       const struct worker_set *taken, uint64_t claims);
/* Writes the contract, if it is not the one of the view, else checks that. */
void fleet_commit_contract(struct fleet_commit *d, const struct fleet_view *view,
                           const struct record_contract *contract);
/* Both, for the next claim: the region is begun. */
void fleet_commit_region(struct fleet_commit *d, const struct fleet_view *view,
                         const struct worker_set *taken);
/* Takes the workers out of all records that have some. Returns the highest fence of those. */
uint64_t fleet_commit_owners(struct fleet_commit *d, const struct fleet_view *view,
                             const struct worker_set *taken);
/* The revision of that key after the commit; `modified` if it was not written. */
int64_t fleet_commit_modified(const struct fleet_commit *d, const char *key, int64_t modified);
/* Once. */
int fleet_commit_send(struct fleet_commit *d, const struct coordinator_calls *calls,
                      void *coordinator);
