/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The set of live rectangles, sorted by start. It is private memory of the ledger, for
 * overlap checks and the search for gaps. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slot.h"

/* A rectangle that has not run out, and the slot that holds it. */
struct live_rectangle {
        struct rectangle rectangle;
        uint32_t record;
        uint32_t slot;
};

struct rectangle_set {
        struct live_rectangle *entries;
        size_t n;
        uint32_t widest;      /* an upper bound of all widths */
        uint64_t earliest_t1; /* a lower bound: nothing runs out before */
};

/* Room for `capacity` entries. 0 or -ENOMEM. */
int rectangle_set_init(struct rectangle_set *set, size_t capacity);
void rectangle_set_fini(struct rectangle_set *set);

void rectangle_set_insert(struct rectangle_set *set, const struct live_rectangle *live);
struct live_rectangle *rectangle_set_find(const struct rectangle_set *set, uint32_t record,
                                          uint32_t slot, uint32_t start);

/* An entry of the set ends earlier from now on. One that then ends before it begins holds
 * nothing; it is kept until that end. */
void rectangle_set_shorten(struct rectangle_set *set, struct live_rectangle *live, uint64_t t1);

/* Does any of them share a position in a tick with `r`? */
bool rectangle_set_overlaps(const struct rectangle_set *set, const struct rectangle *r);

/* The first position above all of them. */
uint64_t rectangle_set_end(const struct rectangle_set *set);

/* Removes all with t1 <= now_tick, and calls `gone` for each. */
void rectangle_set_expire(struct rectangle_set *set, uint64_t now_tick,
                          void (*gone)(void *context, const struct live_rectangle *live),
                          void *context);

/* Walks over the gaps of [t0, t1) within [from, to), from low to high. */
struct rectangle_gaps {
        const struct rectangle_set *set;
        uint64_t t0, t1;
        uint64_t edge; /* all gaps below it were returned */
        uint64_t end;
        size_t next;
};
struct rectangle_gaps rectangle_gaps_begin(const struct rectangle_set *set, uint64_t from,
                                           uint64_t to, uint64_t t0, uint64_t t1);
bool rectangle_gaps_next(struct rectangle_gaps *gaps, uint32_t *ret_start, uint32_t *ret_width);
