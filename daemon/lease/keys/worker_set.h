/* SPDX-License-Identifier: MIT */
#pragma once
/* A set of worker IDs of one region, and its text, as in "0-3,7". Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than a coordinator can list in one answer. */
#define WORKER_SET_MAX 65536u

struct worker_set {
        uint64_t bits[WORKER_SET_MAX / 64];
};

static inline bool worker_set_has(const struct worker_set *set, uint32_t worker) {
        return worker < WORKER_SET_MAX && (set->bits[worker / 64] >> worker % 64 & 1) != 0;
}
static inline void worker_set_add(struct worker_set *set, uint32_t worker) {
        set->bits[worker / 64] |= UINT64_C(1) << worker % 64;
}
static inline void worker_set_remove(struct worker_set *set, uint32_t worker) {
        set->bits[worker / 64] &= ~(UINT64_C(1) << worker % 64);
}
/* `set` becomes what either has; what only `set` has. */
void worker_set_unite(struct worker_set *set, const struct worker_set *other);
void worker_set_subtract(struct worker_set *set, const struct worker_set *other);
/* Has it one of `first` to `last`? */
bool worker_set_has_any(const struct worker_set *set, uint32_t first, uint32_t last);
uint32_t worker_set_count(const struct worker_set *set);
/* The lowest at or above `from`; WORKER_SET_MAX: none. */
uint32_t worker_set_next(const struct worker_set *set, uint32_t from);

/* malloc'ed; "" for none; NULL: no memory. */
char *worker_set_text(const struct worker_set *set);
/* Accepts only what worker_set_text() writes, with all worker IDs below `end`: 0 or -EBADMSG. */
int worker_set_parse(const char *text, uint32_t end, struct worker_set *ret);
/* The next range of a text that worker_set_text() has written; false: it was the last. */
bool worker_set_range(const char **text, uint32_t *ret_first, uint32_t *ret_last);
