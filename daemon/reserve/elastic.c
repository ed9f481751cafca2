/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/elastic.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/reserve/planner.h"

/* The time that is planned for. */
struct window {
        uint64_t t0, t1;
        uint64_t spare; /* positions to leave free */
};

void elastic_fini(struct elastic *elastic) {
        free(elastic->bidders);
        elastic->bidders = NULL;
        elastic->room = 0;
}

static bool recent(const struct elastic *elastic, uint64_t busy_tick, uint64_t now_tick) {
        return busy_tick != 0 && (now_tick < busy_tick ||
               now_tick - busy_tick <= ELASTIC_LINGER_PERIODS * elastic->period_ticks);
}

bool elastic_busy(const struct elastic *elastic, uint64_t now_tick) {
        return recent(elastic, elastic->busy_tick, now_tick);
}

static uint64_t period_of(const struct elastic *elastic, const struct grants *grants) {
        return grants->now / elastic->period_ticks;
}

/* The first tick `n` periods after the present one began. */
static uint64_t boundary(const struct elastic *elastic, const struct grants *grants, uint64_t n) {
        return (period_of(elastic, grants) + n) * elastic->period_ticks;
}

uint64_t elastic_plan_end(const struct elastic *elastic, const struct grants *grants) {
        bool due = elastic_busy(elastic, grants->now) &&
                   elastic->planned_at != period_of(elastic, grants);

        return due ? boundary(elastic, grants, 2) : 0;
}

uint64_t elastic_due(const struct elastic *elastic, const struct grants *grants) {
        return elastic_busy(elastic, grants->now) ? boundary(elastic, grants, 1) : UINT64_MAX;
}

static void mark_busy(struct elastic *elastic, struct client_lane *lane, uint64_t tick) {
        lane->busy_tick = tick;
        if (tick > elastic->busy_tick)
                elastic->busy_tick = tick;
}

/* What the counters say since the last look. They are the client's memory, so no more is
 * believed than the run has positions. */
static void look(const struct client *client, struct client_lane *lane, uint64_t most) {
        uint32_t index = (uint32_t)(lane - client->lanes);
        struct client_counters counters;

        lane->used = 0;
        lane->new_overflows = 0;
        if (client_read_lane(client, index, &counters) < 0)
                return;
        if (counters.ids > lane->ids)
                lane->used = counters.ids - lane->ids < most ? counters.ids - lane->ids : most;
        if (counters.overflows > lane->overflows)
                lane->new_overflows = counters.overflows - lane->overflows;
        lane->ids = counters.ids;
        lane->overflows = counters.overflows;
}

/* One for each tick and lane: more only say how many callers the lane has. */
static void count_overflows(struct elastic *elastic, uint64_t overflows, uint64_t elapsed) {
        elastic->demand.overflows += overflows < elapsed ? overflows : elapsed;
}

static void measure(struct elastic *elastic, const struct grants *grants, uint64_t elapsed) {
        uint64_t most, ids = 0;

        if (__builtin_mul_overflow(elapsed, grants_run_width(grants), &most))
                most = UINT64_MAX;
        elastic->demand.ticks += elapsed;
        for (size_t c = 0; c < grants->n_clients; c++) {
                struct client *client = grants->clients[c];

                for (uint32_t i = 0; i < client->n_lanes; i++) {
                        struct client_lane *lane = &client->lanes[i];

                        if (!recent(elastic, lane->busy_tick, grants->now))
                                continue;
                        look(client, lane, most);
                        ids = lane->used < most - ids ? ids + lane->used : most;
                        count_overflows(elastic, lane->new_overflows, elapsed);
                        if (lane->new_overflows > 0 || lane->used / ELASTIC_BUSY_IDS >= elapsed)
                                mark_busy(elastic, lane, grants->now);
                }
        }
        if (__builtin_add_overflow(elastic->demand.ids, ids, &elastic->demand.ids))
                elastic->demand.ids = UINT64_MAX;
}

static int bidders_room(struct elastic *elastic, uint32_t n_lanes) {
        struct bidder *bidders;

        if (n_lanes <= elastic->room)
                return 0;
        bidders = reallocarray(elastic->bidders, 2 * (size_t)n_lanes, sizeof(*bidders));
        if (!bidders)
                return -ENOMEM;
        elastic->bidders = bidders;
        elastic->room = 2 * (size_t)n_lanes;
        return 0;
}

/* What the lane already has of that time. A lane that does not bid, but counts against a
 * cap, has its standing reservation. */
static uint32_t kept_in(const struct grants *grants, const struct client_lane *lane,
                        const struct window *window, bool bids) {
        uint32_t width = bids ? 0 : lane->standing;

        for (unsigned slot = SLOT_ELASTIC_A; slot <= SLOT_ELASTIC_B; slot++) {
                struct rectangle r;

                if (ledger_slot(grants->ledger, lane->entry, slot, &r) && r.t0 < window->t1 &&
                    r.t1 > window->t0 && r.width > width)
                        width = r.width;
        }
        return width;
}

/* All busy lanes, and the idle ones that count against a cap; returns how many.
 * *ret_wanting: the busy ones without anything in the window. Without memory no lane is
 * served now; it is tried again later. */
static size_t gather(struct elastic *elastic, const struct grants *grants,
                     const struct window *window, size_t *ret_wanting) {
        size_t n = 0, wanting = 0;

        *ret_wanting = 0;
        if (bidders_room(elastic, grants->n_lanes) < 0)
                return 0;
        for (size_t c = 0; c < grants->n_clients; c++) {
                struct client *client = grants->clients[c];

                for (uint32_t i = 0; i < client->n_lanes; i++) {
                        struct client_lane *lane = &client->lanes[i];
                        struct rectangle held = { .width = 0 };
                        bool bids = recent(elastic, lane->busy_tick, grants->now);
                        unsigned slot;

                        if (!bids && !fair_share_capped(client->account))
                                continue;
                        if (!grants_newest(grants, lane, SLOT_ELASTIC_A, &slot, &held))
                                held.width = lane->standing;
                        elastic->bidders[n] =
                                (struct bidder){ .client = client,
                                                 .lane = lane,
                                                 .held = held.width,
                                                 .keeps = kept_in(grants, lane, window, bids),
                                                 .standing = grants_standing(grants, lane) };
                        wanting += elastic->bidders[n++].keeps == 0;
                }
        }
        *ret_wanting = wanting;
        return n;
}

static uint32_t usable(const struct grants *grants, const struct window *window,
                       uint32_t *ret_start) {
        uint32_t width;

        ledger_widest_gap(grants->ledger, window->t0, window->t1, ret_start, &width);
        return width > window->spare ? width - (uint32_t)window->spare : 0;
}

/* The plan equals what they have, except for rounding: no lane needs another place. */
static bool keepable(const struct grants *grants, const struct bidder *bidders, size_t n,
                     const struct window *window, uint32_t start, uint32_t width) {
        for (size_t i = 0; i < n; i++) {
                const struct client_lane *lane = bidders[i].lane;
                struct rectangle r;
                unsigned slot;

                if (bidders[i].keeps > 0)
                        continue;
                if (!grants_newest(grants, lane, SLOT_ELASTIC_A, &slot, &r) || r.t1 != window->t0 ||
                    (r.width > lane->planned && fair_share_capped(bidders[i].client->account)) ||
                    !planner_close_enough(r.width, lane->planned) || r.start < start ||
                    (uint64_t)r.start + r.width > (uint64_t)start + width)
                        return false;
        }
        return true;
}

static void extend(struct grants *grants, const struct bidder *bidders, size_t n, uint64_t t1) {
        for (size_t i = 0; i < n; i++) {
                struct rectangle r;
                unsigned slot;

                if (bidders[i].keeps == 0 &&
                    grants_newest(grants, bidders[i].lane, SLOT_ELASTIC_A, &slot, &r) &&
                    grants_extend(grants, bidders[i].client, bidders[i].lane, slot, t1) == 0)
                        bidders[i].lane->wanted = 0;
        }
}

static void partition(struct grants *grants, const struct bidder *bidders, size_t n,
                      const struct window *window, uint32_t start) {
        for (size_t i = 0; i < n; i++) {
                struct client_lane *lane = bidders[i].lane;
                struct rectangle r = { .start = start, .width = lane->planned,
                                       .t0 = window->t0, .t1 = window->t1 };

                if (bidders[i].keeps > 0 || r.width == 0)
                        continue;
                if (grants_issue(grants, bidders[i].client, lane, SLOT_ELASTIC_A, r) == 0)
                        lane->wanted = 0;
                start += r.width;
        }
        if (window->t1 > grants->planned_end)
                grants->planned_end = window->t1;
}

/* Divides what is free in the window among the busy lanes that have nothing in it. */
static void divide(struct elastic *elastic, struct grants *grants, const struct window *window,
                   uint64_t measured_ticks) {
        uint32_t start, width = usable(grants, window, &start);
        size_t wanting, n;

        if (width == 0) /* this check is cheap, and a thousand lanes may hint at once */
                return;
        n = gather(elastic, grants, window, &wanting);
        if (wanting == 0 || fair_share_plan(elastic->bidders, n, width, measured_ticks) < 0)
                return;
        if (keepable(grants, elastic->bidders, n, window, start, width)) {
                extend(grants, elastic->bidders, n, window->t1);
                grants->planned_end = window->t1;
        } else {
                partition(grants, elastic->bidders, n, window, start);
        }
}

/* The next period: from the end of nearly all reservations to the period's end. */
static void plan(struct elastic *elastic, struct grants *grants, uint64_t waiting) {
        uint64_t elapsed =
                grants->now > elastic->measured_tick ? grants->now - elastic->measured_tick : 1;
        struct window next = { .t0 = boundary(elastic, grants, 1),
                               .t1 = boundary(elastic, grants, 2),
                               .spare = elastic->newcomers + waiting };

        measure(elastic, grants, elapsed);
        elastic->measured_tick = grants->now;
        elastic->planned_at = period_of(elastic, grants);
        divide(elastic, grants, &next, elapsed);
}

/* Busy lanes that hold nothing now get what is free until the end of what is planned, or
 * at least until the end of this period. */
static void serve(struct elastic *elastic, struct grants *grants) {
        struct window window = { .t0 = grants->now,
                                 .t1 = boundary(elastic, grants, 2),
                                 .spare = elastic->newcomers };

        if (elastic->planned_at == period_of(elastic, grants))
                divide(elastic, grants, &window, elastic->period_ticks);
        window.t1 = boundary(elastic, grants, 1);
        divide(elastic, grants, &window, elastic->period_ticks);
}

void elastic_run(struct elastic *elastic, struct grants *grants, uint64_t waiting) {
        if (!elastic_busy(elastic, grants->now))
                return;
        if (elastic_plan_end(elastic, grants) > 0)
                plan(elastic, grants, waiting);
        serve(elastic, grants);
}

/* While no lane was busy, nothing was measured and nothing is planned: what is served now
 * lasts until the next plan begins. */
static void begin_looking(struct elastic *elastic, const struct grants *grants) {
        elastic->measured_tick = grants->now;
        elastic->planned_at = period_of(elastic, grants);
}

void elastic_adopt(struct elastic *elastic, struct grants *grants, struct client *client) {
        for (uint32_t i = 0; i < client->n_lanes; i++) {
                struct client_lane *lane = &client->lanes[i];
                struct rectangle r;
                unsigned slot;

                look(client, lane, 0);
                if (!grants_newest(grants, lane, SLOT_ELASTIC_A, &slot, &r))
                        continue;
                if (!elastic_busy(elastic, grants->now))
                        begin_looking(elastic, grants);
                mark_busy(elastic, lane, grants->now);
                if (r.t1 > grants->planned_end)
                        grants->planned_end = r.t1;
        }
}

void elastic_want(struct elastic *elastic, struct grants *grants, struct client *client,
                  struct client_lane *lane, uint32_t count) {
        bool tried = lane->busy_tick == grants->now;
        struct rectangle r;

        if (!elastic_busy(elastic, grants->now))
                begin_looking(elastic, grants);
        if (!recent(elastic, lane->busy_tick, grants->now))
                look(client, lane, 0);
        lane->wanted = count == 0 ? UINT32_MAX : count;
        mark_busy(elastic, lane, grants->now);
        /* once per tick, so that a flood of hints costs nobody anything */
        if (!tried && !grants_at(grants, lane, SLOT_ELASTIC_A, grants->now, &r))
                serve(elastic, grants);
}
