/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Elastic reservations follow the demand, in the slots SLOT_ELASTIC_A and _B. A plan gives
 * each busy lane a width. Where that is what the lanes have, they are extended. Otherwise
 * all of them are withdrawn, and granted anew from the tick on from which their positions
 * are free, two ticks later.
 *
 * There is a plan each period, by what was measured in it, and at once when somebody comes
 * who holds nothing, or shares have changed. After a plan that moved anything the next one
 * waits until what was withdrawn has run out: a lane has no slot for a third reservation.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/reserve/grants.h"
#include "daemon/ledger/withdraw.h"
#include "daemon/reserve/fair_share.h"

#define ELASTIC_LINGER_PERIODS 5u /* a lane stays busy this long after its last sign */
#define ELASTIC_BUSY_IDS 10u      /* more IDs per tick are a sign of being busy */

/* What the busy lanes did, as far as their counters are plausible. */
struct elastic_demand {
        uint64_t ids;
        uint64_t overflows; /* calls that found their tick full */
        uint64_t ticks;     /* for which this was measured; 0: no lane was busy */
};

struct elastic {
        uint64_t period_ticks;  /* half of reserve.elastic */
        uint64_t measured_tick; /* of the last look at the counters: the period began */
        uint64_t measured_ticks; /* for which they were looked at then */
        uint64_t settled_tick;  /* what the last plan withdrew has run out by then */
        uint64_t busy_tick;     /* the latest of all lanes */
        bool urgent;            /* the next plan does not wait for the period to end */
        struct elastic_demand demand; /* since the last reserve_take_demand() */
        struct bidder *bidders; /* scratch, as are those */
        struct withdrawal *withdrawals; /* two for each lane */
        size_t room;
};

void elastic_fini(struct elastic *elastic);
/* Is any lane busy at `now_tick`? A client that has left may count for a while. */
bool elastic_busy(const struct elastic *elastic, uint64_t now_tick);

/* The lane wants `count` positions in a tick (0: all it can get). A hint. */
void elastic_want(struct elastic *elastic, struct grants *grants, struct client *client,
                  struct client_lane *lane, uint32_t count);

/* A client of an earlier daemon, in the list: its lanes keep their elastic reservations as
 * long as they use them, and what they have used so far is no demand. */
void elastic_adopt(struct elastic *elastic, struct grants *grants, struct client *client);

/* If a plan is due: the end of what will be planned, to which standing reservations are
 * extended first. 0: none is due. */
uint64_t elastic_plan_end(const struct elastic *elastic, const struct grants *grants);
/* Plans if a plan is due, and leaves at least `spare` positions free. */
void elastic_run(struct elastic *elastic, struct grants *grants, uint64_t spare);
/* When the next plan is due; UINT64_MAX: no lane is busy. */
uint64_t elastic_due(const struct elastic *elastic, const struct grants *grants);
