/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a daemon starts from: the named segments and the guarded clock, either adopted
 * from an earlier daemon of this boot or made anew.
 *
 * The ledger is adopted only if no daemon can have issued IDs of these workers without
 * it in between. The state directory therefore names the ledger it belongs to by a random
 * number, the ledger ID, which both hold. A daemon that was started meanwhile with
 * another daemon.shm made a ledger of its own, and a new ID.
 *
 * Clock and ledger segment hold the highest fence as well. Whatever was lost or changed,
 * a new clock line or a new ledger starts above the highest fence or promise that any of
 * the three still holds, and the new segments hold it too.
 */
#include <stdbool.h>

#include "daemon/clock/guard.h"
#include "daemon/config/config.h"
#include "daemon/lease/lease.h"
#include "daemon/ledger/ledger.h"
#include "daemon/segment/segment.h"
#include "shm/clock.h"
#include "shm/ledger.h"
#include "shm/statistics.h"

struct segments {
        struct segment clock;
        struct segment ledger;
        struct segment statistics;
        bool adopted; /* the ledger is that of an earlier daemon of this boot */
        struct guard guard;
        struct run run; /* with which the ledger begins */
};

/* Opens or makes the three segments and starts or resumes the clock. Logs its errors. */
int segments_start(struct segments *ret, const struct config *config, struct lease *lease);
/* The tick by which the ledger judges what has run out. Nothing has, and this is 0, as
 * long as no IDs are made of the clock's line. */
uint64_t segments_tick(const struct segments *segments, int64_t boot_ns);
void segments_close(struct segments *segments);

static inline struct clock_segment *segments_clock(const struct segments *segments) {
        return segments->clock.map;
}
static inline struct ledger_segment *segments_ledger(const struct segments *segments) {
        return segments->ledger.map;
}
static inline struct statistics_segment *segments_statistics(const struct segments *segments) {
        return segments->statistics.map;
}
