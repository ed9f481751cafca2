/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The run grows and shrinks: run_policy.h decides, the lease gets and gives back worker IDs,
 * the ledger and the planner have so many positions. Ledger thread only.
 *
 * Growing: the lease has them; the guarded clock has passed the fence of whoever had them;
 * the ledger segment says that they are used, then they are. Shrinking: nothing more is
 * promised of the end; when nothing there is held in any tick to come, the ledger segment
 * says so, and the lease gives them back with a fence above all promises. So whatever a
 * daemon dies in, the ledger segment never names more than what the host has for certain,
 * and a reservation beyond is held until it has run out.
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
        uint32_t used;      /* ... or of which some may still be held; >= run */
        uint32_t wanted;    /* of the lease; run: none more */
        int64_t offered_ns; /* the last attempt to give back what is not used */
        int64_t due_ns;
        bool fixed; /* it can neither grow nor shrink */
};

/* The caller has filled in the pointers, and nothing else. */
void run_keeper_init(struct run_keeper *keeper);
/* Once the clock is ready; true: the run is another one, see reserve_set_run(). */
bool run_keeper_look(struct run_keeper *keeper, int64_t now_ns, uint64_t now_tick);
/* When it is to be called, on CLOCK_BOOTTIME, if nothing else happens; INT64_MAX: not. */
int64_t run_keeper_deadline(const struct run_keeper *keeper);
