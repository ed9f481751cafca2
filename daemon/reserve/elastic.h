/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Elastic reservations: by demand, ending at the end of a period. Period k is
 * the ticks [k * period_ticks, (k + 1) * period_ticks). At the beginning of a
 * period the next one is planned. Slots SLOT_ELASTIC_A and _B.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/reserve/grants.h"
#include "daemon/reserve/fair_share.h"

#define ELASTIC_LINGER_PERIODS 5u /* a lane stays busy that long after its last sign */
#define ELASTIC_BUSY_IDS 10u      /* more IDs per tick than this are a sign of being busy */

/* What the busy did, as far as their counters can be believed. */
struct elastic_demand {
        uint64_t ids;
        uint64_t overflows; /* calls that found their tick full */
        uint64_t ticks;     /* in which that was measured; 0: nobody was busy */
};

struct elastic {
        uint64_t period_ticks;
        uint64_t planned_at;    /* the period at whose beginning the last plan was made */
        uint64_t measured_tick; /* of the last look at the counters */
        uint64_t busy_tick;     /* the latest of all lanes' */
        struct elastic_demand demand; /* since the last elastic_take_demand() */
        uint32_t newcomers;     /* positions which the newest plan gives to nobody */
        struct bidder *bidders; /* scratch */
        size_t room;
};

void elastic_fini(struct elastic *elastic);
struct elastic_demand elastic_take_demand(struct elastic *elastic);
/* Is anybody busy at `now`? One who has left may count for a while. */
bool elastic_busy(const struct elastic *elastic, uint64_t now_tick);

/* A hint. */
void elastic_want(struct elastic *elastic, struct grants *grants, struct client *client,
                  struct client_lane *lane, uint32_t count);

/* A client of the daemon before, in the list: what its lanes hold by demand goes
 * on as long as they use it, and what they have used so far is no demand. */
void elastic_adopt(struct elastic *elastic, struct grants *grants, struct client *client);

/* Is a plan due, now being in a period without one? Then the standing ones go
 * first, to the end of what will be planned. */
bool elastic_plan_due(const struct elastic *elastic, const struct grants *grants);
uint64_t elastic_plan_end(const struct elastic *elastic, const struct grants *grants);
/* Plans when it is due, `waiting` positions being kept free for clients that
 * wait for a standing one; then serves who is busy and holds nothing. */
void elastic_run(struct elastic *elastic, struct grants *grants, uint64_t waiting);
uint64_t elastic_due(const struct elastic *elastic, const struct grants *grants);
