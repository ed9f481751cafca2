/* SPDX-License-Identifier: MIT */
#pragma once
/* A commit that is being put together: what claiming and resizing have in common. */
#include "daemon/lease/fleet/session.h"

/* Texts are its own. */
struct fleet_commit {
        struct coordinator_check checks[COORDINATOR_COMMIT_MAX];
        struct coordinator_write writes[COORDINATOR_COMMIT_MAX];
        char *texts[COORDINATOR_COMMIT_MAX];
        char keys[COORDINATOR_COMMIT_MAX][FLEET_KEY_MAX];
        size_t n_checks, n_writes, n_keys;
        bool no_memory;
};

/* Only if it is as it was seen. `text` is taken over; NULL with `is_delete` alone. */
void fleet_commit_replace(struct fleet_commit *d, const char *key, int64_t modified, char *text,
                          bool is_delete, bool session);
void fleet_commit_check(struct fleet_commit *d, const char *key, int64_t modified);
/* Whatever is there. */
void fleet_commit_delete(struct fleet_commit *d, const char *key);
/* The workers are in use from now on. */
void fleet_commit_region(const struct fleet *f, struct fleet_commit *d,
                         const struct fleet_view *view, const struct worker_set *taken);
/* They are taken out of their old owners' records. */
void fleet_commit_owners(const struct fleet *f, struct fleet_commit *d,
                         const struct fleet_view *view, const struct worker_set *taken);
int fleet_commit_send(const struct fleet *f, struct fleet_commit *d);
struct fleet_commit *fleet_commit_free(struct fleet_commit *d);
