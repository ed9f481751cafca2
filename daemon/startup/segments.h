/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a daemon finds when it starts and goes on with: the named segments and
 * the guarded clock.
 *
 * The ledger is adopted only if nobody has issued IDs of these workers in
 * between without it. The state directory therefore names the ledger it
 * belongs to (`lineage`, a random number which both hold): a daemon started
 * meanwhile with another daemon.shm made a ledger of its own and a new number.
 *
 * Clock and ledger segment hold the highest fence as well. Whatever is lost or
 * changed, a line or a ledger that is made anew starts above the highest fence
 * or promise which any of the three still tells, and the new segments hold it.
 */
#include <stdbool.h>

#include "daemon/config/config.h"
#include "daemon/clock/guard.h"
#include "daemon/ledger/ledger.h"
#include "daemon/lease/lease.h"
#include "daemon/segment/segment.h"
#include "shm/clock.h"
#include "shm/ledger.h"
#include "shm/statistics.h"

/* the same for every configuration, so that the ledger stays adoptable; fewer in
 * the simulation of tests/sim */
#ifndef STATE_LEDGER_RECORDS
#define STATE_LEDGER_RECORDS 16384u
#endif

struct state {
        struct segment clock;
        struct segment ledger;
        struct segment statistics;
        bool adopted; /* the ledger is an earlier daemon's of this boot */
        struct guard guard;
        struct run run; /* with which the ledger begins */
};

/* Opens or makes the three segments and starts or resumes the clock. Logs its errors. */
int state_open(struct state *ret, const struct config *config, struct lease *lease);
/* The tick by which the ledger tells what has run out: 0, nothing has, before there
 * is a line that IDs are made of. */
uint64_t state_tick(const struct state *state, int64_t boot_ns);
void state_close(struct state *state);

static inline struct clock_segment *state_clock(const struct state *state) {
        return state->clock.map;
}
static inline struct ledger_segment *state_ledger(const struct state *state) {
        return state->ledger.map;
}
static inline struct statistics_segment *state_statistics(const struct state *state) {
        return state->statistics.map;
}
