/* SPDX-License-Identifier: MIT */
#pragma once
/* A commit under construction, for claiming and resizing. */
#include "daemon/lease/fleet/session.h"

/* Owns its texts. */
struct fleet_commit {
        struct coordinator_check checks[COORDINATOR_COMMIT_MAX];
        struct coordinator_write writes[COORDINATOR_COMMIT_MAX];
        char *texts[COORDINATOR_COMMIT_MAX];
        char keys[COORDINATOR_COMMIT_MAX][FLEET_KEY_MAX];
        size_t n_checks, n_writes, n_keys;
        bool no_memory;
};

/* Replaces the key if it is unchanged since it was read. Takes `text` over, which is NULL
 * only with `is_delete`. */
void fleet_commit_replace(struct fleet_commit *d, const char *key, int64_t modified, char *text,
                          bool is_delete, bool session);
void fleet_commit_check(struct fleet_commit *d, const char *key, int64_t modified);
/* Deletes the key unconditionally. */
void fleet_commit_delete(struct fleet_commit *d, const char *key);
/* Marks the workers as used, and the region as begun. */
void fleet_commit_region(const struct fleet *f, struct fleet_commit *d,
                         const struct fleet_view *view, const struct worker_set *taken);
/* Takes the workers out of the records of their old owners. */
void fleet_commit_owners(const struct fleet *f, struct fleet_commit *d,
                         const struct fleet_view *view, const struct worker_set *taken);
int fleet_commit_send(const struct fleet *f, struct fleet_commit *d);
struct fleet_commit *fleet_commit_free(struct fleet_commit *d);
