/* SPDX-License-Identifier: MIT */
#pragma once
/* What the files of the ledger and its callers have in common. */
#include <stdint.h>

#include "shm/ledger.h"
#include "shm/slot.h"

/* The positions of which reservations are made: those of this host's worker IDs, or of
 * the first of them. */
struct run {
        uint32_t start, width;
};
static inline uint64_t run_end(struct run run) {
        return (uint64_t)run.start + run.width;
}

/* One lane's place in the ledger. */
struct ledger_entry {
        struct ledger_lane *record; /* in the segment */
        struct slot *slots;         /* in the client's grants page; NULL once the client is gone */
};

/* How a withdrawal (withdraw.h) learns the time. `tick` reads CLOCK_BOOTTIME anew and
 * returns the tick of the line that clients read; CLOCK_NOW_INVALID: there is none. Without
 * a clock nothing is withdrawn. */
struct ledger_clock {
        uint64_t (*tick)(void *context);
        void *context;
};
