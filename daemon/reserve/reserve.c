/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/reserve.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/ledger/withdraw.h"
#include "daemon/reserve/grants.h"
#include "daemon/reserve/elastic.h"
#include "daemon/reserve/planner.h"
#include "daemon/reserve/standing.h"

struct reserve {
        struct grants grants;
        struct standing standing;
        struct elastic elastic;
        struct fence *fence;
        uint64_t due;      /* nothing is due before, unless the fence moves */
        uint32_t waited;   /* lanes without a standing reservation, in the last round */
        uint64_t grown_until; /* by then standing ones have moved up, out of the middle */
        struct reserve_totals totals;
};

#define RETRY_TICKS (STANDING_BRIEF_TICKS / 2)

static uint64_t ticks_of(int64_t ns, uint64_t least) {
        uint64_t ticks = (uint64_t)ns / NS_PER_TICK;

        return ticks > least ? ticks : least;
}

static void set_times(struct reserve *reserve, const struct config *config) {
        reserve->standing.ticks = ticks_of(config->standing_ns, 1);
        reserve->fence->reach_ticks = reserve->standing.ticks;
        reserve->elastic.period_ticks = ticks_of(config->elastic_ns / 2, 1);
        reserve->elastic.urgent = true; /* weights and caps may be others */
}

int reserve_new(struct reserve **ret, const struct config *config, struct ledger *ledger,
                struct fence *fence, void (*wake)(struct client *client)) {
        struct reserve *reserve = calloc(1, sizeof(*reserve));

        if (!reserve)
                return -ENOMEM;
        *reserve = (struct reserve){
                .grants = { .ledger = ledger, .wake = wake },
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

struct reserve *reserve_free(struct reserve *reserve) {
        if (!reserve)
                return NULL;
        elastic_fini(&reserve->elastic);
        free(reserve->grants.clients);
        free(reserve);
        return NULL;
}

/* Time passes: what has run out is forgotten, and the latest fence holds. */
static void reserve_advance(struct reserve *reserve, uint64_t now_tick) {
        if (now_tick > reserve->grants.now)
                reserve->grants.now = now_tick;
        ledger_set_now(reserve->grants.ledger, reserve->grants.now);
        fence_take(reserve->fence);
}

/* What statistics and the library may know about a client's widths. */
static void reserve_publish_client(struct reserve *reserve, struct client *client) {
        uint32_t standing = 0, elastic = 0, own = 0, most;
        struct rectangle r;

        for (uint32_t i = 0; i < client->n_lanes; i++) {
                const struct client_lane *lane = &client->lanes[i];

                if (grants_at(&reserve->grants, lane, SLOT_STANDING_A, reserve->grants.now, &r)) {
                        standing += r.width;
                        own = r.width > own ? r.width : own;
                }
                if (grants_at(&reserve->grants, lane, SLOT_ELASTIC_A, reserve->grants.now, &r))
                        elastic += r.width;
        }
        most = grants_run_width(&reserve->grants);
        most -= planner_newcomers(most);
        most = most > own ? most - own : 1;
        /* relaxed: independent numbers */
        atomic_store_explicit(&client->standing_width, standing, memory_order_relaxed);
        atomic_store_explicit(&client->elastic_width, elastic, memory_order_relaxed);
        /* release: pairs with the library's acquire of `widest`. It is an independent
         * limit, so any order would do. */
        atomic_store_explicit(&client_grants(client)->widest, most, memory_order_release);
        reserve->totals.positions_standing += standing;
        reserve->totals.positions_elastic += elastic;
}

static void reserve_publish(struct reserve *reserve) {
        reserve->totals = (struct reserve_totals){ .lanes = reserve->grants.n_lanes };
        for (size_t i = 0; i < reserve->grants.n_clients; i++)
                reserve_publish_client(reserve, reserve->grants.clients[i]);
}

static void due_by(struct reserve *reserve, uint64_t tick) {
        if (tick < reserve->due)
                reserve->due = tick;
}

/* When to try again what could not be granted: when positions come free. */
static uint64_t reserve_retry(const struct reserve *reserve) {
        uint64_t now = reserve->grants.now, settled = reserve->elastic.settled_tick;

        return settled > now ? settled : now + RETRY_TICKS;
}

int reserve_attach(struct reserve *reserve, struct client *client, uint64_t now_tick) {
        int result;

        reserve_advance(reserve, now_tick);
        result = standing_attach(&reserve->standing, &reserve->grants, client);
        if (result < 0 && result != -EAGAIN)
                return result;
        reserve_publish_client(reserve, client);
        due_by(reserve, result == 0 ? reserve->grants.now + reserve->standing.ticks / 3
                                    : reserve->grants.now);
        return result;
}

int reserve_adopt(struct reserve *reserve, struct client *client, uint64_t now_tick) {
        int result;

        reserve_advance(reserve, now_tick);
        result = standing_adopt(&reserve->standing, &reserve->grants, client);
        if (result < 0)
                return result;
        elastic_adopt(&reserve->elastic, &reserve->grants, client);
        reserve_publish_client(reserve, client);
        due_by(reserve, reserve->grants.now);
        return 0;
}

const char *reserve_refusal(const struct reserve *reserve) {
        return reserve->standing.refusal;
}

bool reserve_ready(const struct reserve *reserve, const struct client *client, uint64_t now_tick) {
        struct grants at = reserve->grants;

        at.now = now_tick > at.now ? now_tick : at.now;
        return standing_ready(&at, client);
}

void reserve_withdraw(struct reserve *reserve, const struct client *client) {
        struct withdrawal list[LANES_MAX * SLOTS_PER_LANE];
        uint64_t free_tick;
        size_t n = 0;

        for (uint32_t lane = 0; lane < client->n_lanes; lane++)
                for (unsigned slot = 0; slot < SLOTS_PER_LANE; slot++)
                        list[n++] = (struct withdrawal){ .entry = client->lanes[lane].entry,
                                                         .slot = slot,
                                                         .client = client, .lane = lane };
        free_tick = ledger_withdraw(reserve->grants.ledger, list, n, client_cursor_tick);
        if (free_tick > 0)
                due_by(reserve, free_tick); /* others may wait for it */
}

void reserve_withdraw_all(struct reserve *reserve) {
        for (size_t i = 0; i < reserve->grants.n_clients; i++)
                reserve_withdraw(reserve, reserve->grants.clients[i]);
}

void reserve_detach(struct reserve *reserve, struct client *client) {
        if (!grants_remove(&reserve->grants, client))
                return;
        standing_detach(&reserve->standing, client);
        atomic_store_explicit(&client->standing_width, 0, memory_order_relaxed);
        atomic_store_explicit(&client->elastic_width, 0, memory_order_relaxed);
}

void reserve_want(struct reserve *reserve, struct client *client, uint32_t lane, uint32_t count,
                  uint64_t now_tick) {
        if (lane >= client->n_lanes)
                return;
        reserve_advance(reserve, now_tick);
        elastic_want(&reserve->elastic, &reserve->grants, client, &client->lanes[lane], count);
        due_by(reserve, elastic_due(&reserve->elastic, &reserve->grants));
}

bool reserve_prepare_step(struct reserve *reserve, uint64_t to_tick) {
        if (!fence_prepare(reserve->fence, to_tick))
                return false;
        standing_prepare_step(&reserve->standing, &reserve->grants, to_tick);
        return true;
}

void reserve_align_ends(struct reserve *reserve, uint64_t now_tick) {
        reserve_advance(reserve, now_tick);
        standing_align_ends(&reserve->grants);
}

/* Positions that the next plan is to leave free: for newcomers, for lanes without a
 * standing reservation, and after a growth for those that move up. */
static uint64_t reserve_spare(const struct reserve *reserve) {
        const struct grants *grants = &reserve->grants;
        uint32_t run = grants_run_width(grants), most = run / 2;
        uint64_t lanes = grants->now < reserve->grown_until ? grants->n_lanes
                                                            : reserve->standing.waiting;
        uint64_t spare = lanes * planner_standing(run, grants->n_lanes);

        return planner_newcomers(run) + (spare < most ? spare : most);
}

uint64_t reserve_run(struct reserve *reserve, uint64_t now_tick) {
        struct grants *grants = &reserve->grants;
        uint32_t waited = reserve->waited;

        if (now_tick < reserve->due && now_tick >= grants->now && !fence_has_moved(reserve->fence))
                return reserve->due;
        reserve_advance(reserve, now_tick);
        fence_begin_grants(reserve->fence);
        reserve->due = fence_raise(reserve->fence, grants->now);

        standing_run(&reserve->standing, grants, elastic_plan_end(&reserve->elastic, grants));
        reserve->waited = reserve->standing.waiting;
        if (reserve->waited > waited)
                reserve->elastic.urgent = true;
        elastic_run(&reserve->elastic, grants, reserve_spare(reserve));

        due_by(reserve, standing_due(&reserve->standing, grants, reserve_retry(reserve)));
        due_by(reserve, elastic_due(&reserve->elastic, grants));
        reserve_publish(reserve);
        return reserve->due;
}

void reserve_set_run(struct reserve *reserve, uint32_t run_width, uint64_t now_tick) {
        reserve_advance(reserve, now_tick);
        if (run_width > grants_run_width(&reserve->grants))
                reserve->grown_until = reserve->grants.now + reserve->standing.ticks;
        ledger_resize_run(reserve->grants.ledger, run_width);
        reserve->elastic.urgent = true;
        reserve->due = 0;
}

bool reserve_measured(const struct reserve *reserve) {
        return reserve->elastic.demand.ticks > 0;
}

struct elastic_demand reserve_take_demand(struct reserve *reserve) {
        struct elastic_demand demand = reserve->elastic.demand;

        reserve->elastic.demand = (struct elastic_demand){ .ticks = 0 };
        return demand;
}

bool reserve_busy(const struct reserve *reserve, uint64_t now_tick) {
        return elastic_busy(&reserve->elastic, now_tick);
}

struct reserve_totals reserve_totals(const struct reserve *reserve) {
        struct reserve_totals totals = reserve->totals;

        totals.grants = reserve->grants.issued;
        totals.extensions = reserve->grants.extensions;
        totals.lanes = reserve->grants.n_lanes;
        totals.positions = grants_run_width(&reserve->grants);
        return totals;
}
