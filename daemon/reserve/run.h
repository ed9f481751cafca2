/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The run grows and shrinks: run_policy.h decides, the lease claims and gives back worker
 * IDs, and the ledger and the planner get their positions. Ledger thread only.
 *
 * To grow: the lease has the worker IDs; the guarded clock has passed the fence of their
 * previous owner; the ledger segment says that they are used; only then are they used. To
 * shrink: nothing more is promised at the end of the run; when nothing there is held in any
 * tick to come, the ledger segment says so, and then the lease gives them back with a fence
 * above all promises. So whenever a daemon dies, the ledger segment never names more than
 * the host has for certain, and a reservation beyond that is held until it has run out.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/lease/lease.h"
#include "daemon/reserve/reserve.h"
#include "daemon/reserve/run_policy.h"
#include "shm/clock.h"
#include "shm/ledger.h"

struct run_keeper {
        const struct config *config;
        struct lease *lease;
        struct ledger *ledger;
        struct ledger_segment *ledger_segment;
        struct clock_segment *clock;
        struct reserve *reserve;
        struct run_policy policy;
        uint32_t run;       /* worker IDs of which reservations are made */
        uint32_t used;      /* ... or some may still be held; >= run */
        uint32_t wanted;    /* worker IDs that are asked of the lease; run: no more */
        int64_t offered_ns; /* the last attempt to give back what is not used */
        int64_t due_ns; /* for run_keeper_look(), if nothing else happens; or INT64_MAX */
        bool fixed; /* it can neither grow nor shrink */
};

/* The caller has filled in the pointers, and nothing else. */
void run_keeper_init(struct run_keeper *keeper);
/* Once the clock is ready. True: the run has changed, see reserve_set_run(). */
bool run_keeper_look(struct run_keeper *keeper, int64_t now_ns, uint64_t now_tick);
