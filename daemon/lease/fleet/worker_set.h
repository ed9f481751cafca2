/* SPDX-License-Identifier: MIT */
#pragma once
/* A set of worker IDs of one region, and how a person reads it: "0-3,7". Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than any host can list in one answer of a coordinator's. */
#define WORKERS_MAX 65536u

struct workers {
        uint64_t bits[WORKERS_MAX / 64];
};

static inline bool workers_has(const struct workers *set, uint32_t worker) {
        return worker < WORKERS_MAX && (set->bits[worker / 64] >> worker % 64 & 1) != 0;
}
static inline void workers_add(struct workers *set, uint32_t worker) {
        set->bits[worker / 64] |= UINT64_C(1) << worker % 64;
}
static inline void workers_remove(struct workers *set, uint32_t worker) {
        set->bits[worker / 64] &= ~(UINT64_C(1) << worker % 64);
}
uint32_t workers_count(const struct workers *set);
/* The lowest at or above `from`; WORKERS_MAX: none. */
uint32_t workers_next(const struct workers *set, uint32_t from);

/* malloc'ed; "" for none; NULL: no memory. */
char *workers_text(const struct workers *set);
/* Only what workers_text() writes, with none of `end` or above: 0 or -EBADMSG. */
int workers_parse(const char *text, uint32_t end, struct workers *ret);
