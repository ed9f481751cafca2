/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Elastic reservations: they follow the demand and end at the end of a period. Period k
 * is the ticks [k * period_ticks, (k + 1) * period_ticks). At the beginning of a period
 * the next one is planned. Slots SLOT_ELASTIC_A and _B.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/reserve/grants.h"
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
        uint64_t period_ticks;
        uint64_t planned_at;    /* the period at whose beginning the last plan was made */
        uint64_t measured_tick; /* of the last look at the counters */
        uint64_t busy_tick;     /* the latest of all lanes */
        struct elastic_demand demand; /* since the last reserve_take_demand() */
        uint32_t newcomers;     /* positions that the latest plan leaves free */
        struct bidder *bidders; /* scratch */
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

/* If a plan is due, because the present period has none: the end of what will be planned,
 * to which standing reservations are extended first. 0: none is due. */
uint64_t elastic_plan_end(const struct elastic *elastic, const struct grants *grants);
/* Plans if a plan is due, and keeps `waiting` positions free for clients that wait for a
 * standing reservation. Then serves busy lanes that hold nothing. */
void elastic_run(struct elastic *elastic, struct grants *grants, uint64_t waiting);
uint64_t elastic_due(const struct elastic *elastic, const struct grants *grants);
