/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The journal's copy of a slot. It is written like the client's, by the functions of
 * shm/slot.h, but its sequence also holds three sums of what it promises:
 *
 *   63 ........ 48   47 ............. 32   31 ........ 16   15 ...... 0
 *   sum of span      sum of the t1 before   sum of t1        the count
 *
 * Memory may be damaged while no daemon looks. A damaged slot whose end or positions look
 * like those of another grant would free positions that a living client still uses (U2).
 * A sum is the word modulo 65535, plus 1: a flipped bit changes the word by a power of
 * two, which 65535 does not divide. Sums of 0 are not kept (a daemon that did not know
 * them): then only bounds are checked.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slot.h"

/* Writes a grant. What the slot held has run out. */
void journal_grant(struct slot *slot, const struct rectangle *r);
/* Another end of the same grant: an extension or a withdrawal. A daemon that is killed in
 * between leaves the old end or the new one, and sums that know both. */
void journal_set_end(struct slot *slot, uint64_t t1);
/* Empties an odd slot: its writer died. */
void journal_clear(struct slot *slot);

/* What a promise can be: it ends by the fence, and its positions lie in [start, end), the
 * run of the earlier daemon. Where the sums say that the positions are those that were
 * granted, they may lie up to `last`: that run may be damaged as well. */
struct journal_bounds {
        uint64_t now, fence; /* ticks */
        uint64_t start, end, last;
};

struct journal_finding {
        struct rectangle rectangle; /* as the slot has it */
        bool span_known, end_known; /* false: not what was granted */
};

/* What an earlier daemon left in a slot. False: nothing. A slot that was being written is
 * emptied. */
bool journal_read(struct slot *slot, const struct journal_bounds *bounds,
                  struct journal_finding *ret);

/* Where the span is not known: all positions that it can have been if one bit of it or of
 * its sum was flipped. 0: it was more than that. */
#define JOURNAL_SPANS_MAX 5u
size_t journal_spans(const struct slot *slot, const struct journal_bounds *bounds,
                     struct rectangle ret[JOURNAL_SPANS_MAX]);
