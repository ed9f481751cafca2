/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/reserve.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/reserve/grants.h"
#include "daemon/reserve/elastic.h"
#include "daemon/reserve/planner.h"
#include "daemon/reserve/standing.h"

struct reserve {
        struct allot allot;
        struct standing standing;
        struct elastic elastic;
        struct fence *fence;
        uint64_t due;      /* nothing is before, unless the fence moves */
        uint64_t fence_tick; /* at the last reserve_run() */
        uint64_t grown_until; /* then standing ones have moved up, out of the middle */
        struct reserve_totals totals;
};

static uint64_t ticks_of(int64_t ns, uint64_t least) {
        uint64_t ticks = (uint64_t)ns / NS_PER_TICK;

        return ticks > least ? ticks : least;
}

static void set_times(struct reserve *reserve, const struct config *config) {
        uint64_t period_ticks = ticks_of(config->elastic_ns / 2, 1);

        reserve->standing.ticks = ticks_of(config->standing_ns, STANDING_STEP_TICKS);
        fence_set_reach(reserve->fence, reserve->standing.ticks);
        if (period_ticks == reserve->elastic.period_ticks)
                return;
        /* periods of another length have other numbers: none is planned */
        reserve->elastic.period_ticks = period_ticks;
        reserve->elastic.planned_at = UINT64_MAX;
}

int reserve_new(struct reserve **ret, const struct config *config, struct ledger *ledger,
                struct fence *fence, void (*wake)(struct client *client)) {
        struct reserve *reserve = calloc(1, sizeof(*reserve));

        if (!reserve)
                return -ENOMEM;
        *reserve = (struct reserve){
                .allot = { .ledger = ledger, .wake = wake },
                .elastic = { .newcomers = planner_newcomers(ledger_run(ledger).width) },
                .fence = fence,
        };
        set_times(reserve, config);
        *ret = reserve;
        return 0;
}

void reserve_reload(struct reserve *reserve, const struct config *config) {
        set_times(reserve, config);
        reserve->due = 0;
}

void reserve_adopted(struct reserve *reserve, uint64_t now_tick) {
        reserve->standing.adopted_until = now_tick + STANDING_ADOPTED_TICKS;
}

struct reserve *reserve_free(struct reserve *reserve) {
        if (!reserve)
                return NULL;
        elastic_fini(&reserve->elastic);
        free(reserve->allot.clients);
        free(reserve);
        return NULL;
}

/* Time goes on: what has run out is forgotten, the newest fence holds. */
static void begin(struct reserve *reserve, uint64_t now_tick) {
        if (now_tick > reserve->allot.now)
                reserve->allot.now = now_tick;
        ledger_set_now(reserve->allot.ledger, reserve->allot.now);
        fence_take(reserve->fence);
}

/* What statistics and the library may know of a client's widths. */
static void publish_client(struct reserve *reserve, struct client *client) {
        uint32_t standing = 0, elastic = 0, own = 0, most;
        struct rectangle r;

        for (uint32_t i = 0; i < client->n_lanes; i++) {
                const struct client_lane *lane = &client->lanes[i];

                if (allot_at(&reserve->allot, lane, SLOT_STANDING_A, reserve->allot.now, &r)) {
                        standing += r.width;
                        own = r.width > own ? r.width : own;
                }
                if (allot_at(&reserve->allot, lane, SLOT_ELASTIC_A, reserve->allot.now, &r))
                        elastic += r.width;
        }
        most = allot_run_width(&reserve->allot);
        most -= planner_newcomers(most);
        most = most > own ? most - own : 1;
        /* relaxed: numbers on their own */
        atomic_store_explicit(&client->standing_width, standing, memory_order_relaxed);
        atomic_store_explicit(&client->elastic_width, elastic, memory_order_relaxed);
        /* release: pairs with the library's acquire of `widest`; a limit on its
         * own, so any order would do */
        atomic_store_explicit(&client_grants(client)->widest, most, memory_order_release);
        reserve->totals.positions_standing += standing;
        reserve->totals.positions_elastic += elastic;
}

static void publish(struct reserve *reserve) {
        reserve->totals = (struct reserve_totals){ .lanes = reserve->allot.n_lanes };
        for (size_t i = 0; i < reserve->allot.n_clients; i++)
                publish_client(reserve, reserve->allot.clients[i]);
}

static void due_by(struct reserve *reserve, uint64_t tick) {
        if (tick < reserve->due)
                reserve->due = tick;
}

static uint64_t next_boundary(const struct reserve *reserve) {
        uint64_t period = reserve->elastic.period_ticks;

        return (reserve->allot.now / period + 1) * period;
}

int reserve_attach(struct reserve *reserve, struct client *client, uint64_t now_tick) {
        int result;

        begin(reserve, now_tick);
        result = standing_attach(&reserve->standing, &reserve->allot, client);
        if (result < 0 && result != -EAGAIN)
                return result;
        publish_client(reserve, client);
        due_by(reserve, result == 0 ? reserve->allot.now + STANDING_STEP_TICKS / 2 + 1
                                    : next_boundary(reserve));
        return result;
}

int reserve_adopt(struct reserve *reserve, struct client *client, uint64_t now_tick) {
        int result;

        begin(reserve, now_tick);
        result = standing_adopt(&reserve->standing, &reserve->allot, client);
        if (result < 0)
                return result;
        elastic_adopt(&reserve->elastic, &reserve->allot, client);
        publish_client(reserve, client);
        due_by(reserve, reserve->allot.now);
        return 0;
}

const char *reserve_refusal(const struct reserve *reserve) {
        return reserve->standing.refusal;
}

bool reserve_ready(const struct reserve *reserve, const struct client *client, uint64_t now_tick) {
        struct allot at = reserve->allot;

        at.now = now_tick > at.now ? now_tick : at.now;
        return standing_ready(&at, client);
}

void reserve_detach(struct reserve *reserve, struct client *client) {
        if (!allot_remove(&reserve->allot, client))
                return;
        standing_detach(&reserve->standing, client);
        atomic_store_explicit(&client->standing_width, 0, memory_order_relaxed);
        atomic_store_explicit(&client->elastic_width, 0, memory_order_relaxed);
}

void reserve_want(struct reserve *reserve, struct client *client, uint32_t lane, uint32_t count,
                  uint64_t now_tick) {
        if (lane >= client->n_lanes)
                return;
        begin(reserve, now_tick);
        elastic_want(&reserve->elastic, &reserve->allot, client, &client->lanes[lane], count);
        due_by(reserve, elastic_due(&reserve->elastic, &reserve->allot));
}

bool reserve_carry(struct reserve *reserve, uint64_t to_tick) {
        if (!fence_prepare(reserve->fence, to_tick))
                return false;
        standing_carry(&reserve->standing, &reserve->allot, to_tick);
        return true;
}

void reserve_level(struct reserve *reserve, uint64_t now_tick) {
        begin(reserve, now_tick);
        standing_level(&reserve->allot);
}

uint64_t reserve_run(struct reserve *reserve, uint64_t now_tick) {
        struct allot *allot = &reserve->allot;
        uint64_t waiting;
        bool planning;

        if (now_tick < reserve->due && now_tick >= allot->now &&
            fence_durable(reserve->fence) == reserve->fence_tick)
                return reserve->due;
        begin(reserve, now_tick);
        reserve->fence_tick = ledger_fence(allot->ledger);
        reserve->due = fence_raise(reserve->fence, allot->now);

        planning = elastic_plan_due(&reserve->elastic, allot);
        if (planning) {
                reserve->elastic.newcomers =
                        planner_spare(allot_run_width(allot), reserve->standing.taken);
                reserve->standing.taken = 0;
        }
        standing_run(&reserve->standing, allot,
                     planning ? elastic_plan_end(&reserve->elastic, allot) : 0);
        waiting = (uint64_t)(allot->now < reserve->grown_until ? allot->n_lanes :
                                                                 reserve->standing.waiting) *
                  planner_standing(allot_run_width(allot), allot->n_lanes);
        if (waiting > allot_run_width(allot) / 2)
                waiting = allot_run_width(allot) / 2;
        elastic_run(&reserve->elastic, allot, waiting);

        due_by(reserve, standing_due(&reserve->standing, allot, next_boundary(reserve)));
        due_by(reserve, elastic_due(&reserve->elastic, allot));
        publish(reserve);
        return reserve->due;
}

void reserve_set_run(struct reserve *reserve, uint32_t run_width, uint64_t now_tick) {
        begin(reserve, now_tick);
        if (run_width > allot_run_width(&reserve->allot))
                reserve->grown_until = reserve->allot.now + reserve->standing.ticks;
        ledger_resize_run(reserve->allot.ledger, run_width);
        reserve->due = 0;
}

bool reserve_measured(const struct reserve *reserve) {
        return reserve->elastic.demand.ticks > 0;
}

struct elastic_demand reserve_take_demand(struct reserve *reserve) {
        return elastic_take_demand(&reserve->elastic);
}

bool reserve_busy(const struct reserve *reserve, uint64_t now_tick) {
        return elastic_busy(&reserve->elastic, now_tick);
}

struct reserve_totals reserve_totals(const struct reserve *reserve) {
        struct reserve_totals totals = reserve->totals;

        totals.grants = reserve->allot.grants;
        totals.extensions = reserve->allot.extensions;
        totals.lanes = reserve->allot.n_lanes;
        totals.positions = allot_run_width(&reserve->allot);
        return totals;
}
