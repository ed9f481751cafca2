/* SPDX-License-Identifier: MIT */
#pragma once
/* A commit that is being put together: what claiming and resizing have in common. */
#include "daemon/lease/fleet/internal.h"

/* Texts are its own. */
struct fleet_draft {
        struct coordinator_check checks[COORDINATOR_COMMIT_MAX];
        struct coordinator_write writes[COORDINATOR_COMMIT_MAX];
        char *texts[COORDINATOR_COMMIT_MAX];
        char keys[COORDINATOR_COMMIT_MAX][FLEET_KEY_MAX];
        size_t n_checks, n_writes, n_keys;
        bool no_memory;
};

/* Only if it is as it was seen. `text` is taken over; NULL with `is_delete` alone. */
void fleet_draft_replace(struct fleet_draft *d, const char *key, int64_t modified, char *text,
                         bool is_delete, bool session);
void fleet_draft_check(struct fleet_draft *d, const char *key, int64_t modified);
/* Whatever is there. */
void fleet_draft_delete(struct fleet_draft *d, const char *key);
/* The workers are in use from now on. */
void fleet_draft_region(const struct fleet *f, struct fleet_draft *d,
                        const struct fleet_view *view, const struct workers *taken);
/* They are taken out of their old owners' records. */
void fleet_draft_owners(const struct fleet *f, struct fleet_draft *d,
                        const struct fleet_view *view, const struct workers *taken);
int fleet_draft_commit(const struct fleet *f, struct fleet_draft *d);
struct fleet_draft *fleet_draft_free(struct fleet_draft *d);
