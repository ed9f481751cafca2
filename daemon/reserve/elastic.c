/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/elastic.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/reserve/caps.h"
#include "daemon/reserve/planner.h"

#define LEAST_TICKS 5u /* less is not worth a plan */

/* The time that is planned for, and the positions to leave free. */
struct window {
        uint64_t t0, t1, spare;
};

void elastic_fini(struct elastic *elastic) {
        free(elastic->bidders);
        free(elastic->withdrawals);
        elastic->bidders = NULL;
        elastic->withdrawals = NULL;
        elastic->room = 0;
}

static uint64_t later(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

static bool recent(const struct elastic *elastic, uint64_t busy_tick, uint64_t now_tick) {
        return busy_tick != 0 && (now_tick < busy_tick ||
               now_tick - busy_tick <= ELASTIC_LINGER_PERIODS * elastic->period_ticks);
}

bool elastic_busy(const struct elastic *elastic, uint64_t now_tick) {
        return recent(elastic, elastic->busy_tick, now_tick);
}

static uint64_t period_end(const struct elastic *elastic) {
        return elastic->measured_tick + elastic->period_ticks;
}

uint64_t elastic_due(const struct elastic *elastic, const struct grants *grants) {
        uint64_t due = elastic->urgent ? grants->now : period_end(elastic);

        if (!elastic_busy(elastic, grants->now))
                return UINT64_MAX;
        return due > elastic->settled_tick ? due : elastic->settled_tick;
}

/* Two periods ahead: until the next plan a lane holds more than one. */
uint64_t elastic_plan_end(const struct elastic *elastic, const struct grants *grants) {
        return elastic_due(elastic, grants) <= grants->now
                       ? grants->now + 2 * elastic->period_ticks : 0;
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

/* A new period begins. */
static void measure(struct elastic *elastic, const struct grants *grants) {
        uint64_t elapsed =
                grants->now > elastic->measured_tick ? grants->now - elastic->measured_tick : 1;
        uint64_t most, ids = 0;

        elastic->measured_tick = grants->now;
        elastic->measured_ticks = elapsed;
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
                        if (lane->hinted_tick + elapsed <= grants->now)
                                lane->wanted = 0; /* by now it shows what it takes */
                        ids = lane->used < most - ids ? ids + lane->used : most;
                        count_overflows(elastic, lane->new_overflows, elapsed);
                        if (lane->new_overflows > 0 || lane->used / ELASTIC_BUSY_IDS >= elapsed)
                                mark_busy(elastic, lane, grants->now);
                }
        }
        if (__builtin_add_overflow(elastic->demand.ids, ids, &elastic->demand.ids))
                elastic->demand.ids = UINT64_MAX;
}

static int make_room(struct elastic *elastic, uint32_t n_lanes) {
        size_t room = 2 * (size_t)n_lanes;
        struct bidder *bidders;
        struct withdrawal *withdrawals;

        if (n_lanes <= elastic->room)
                return 0;
        bidders = reallocarray(elastic->bidders, room, sizeof(*bidders));
        if (!bidders)
                return -ENOMEM;
        elastic->bidders = bidders;
        withdrawals = reallocarray(elastic->withdrawals, 2 * room, sizeof(*withdrawals));
        if (!withdrawals)
                return -ENOMEM;
        elastic->withdrawals = withdrawals;
        elastic->room = room;
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

/* All busy lanes, and the idle ones that count against a cap; returns how many. */
static size_t gather(struct elastic *elastic, const struct grants *grants,
                     const struct window *window) {
        const struct account *counted = NULL;
        struct ledger_gone gone = { .all = { .lanes = 0 } };
        size_t n = 0;

        for (size_t c = 0; c < grants->n_clients; c++) {
                struct client *client = grants->clients[c];

                if (client->account != counted && fair_share_capped(client->account))
                        gone = caps_gone(grants, client, window->t0);
                counted = client->account;
                for (uint32_t i = 0; i < client->n_lanes; i++) {
                        struct client_lane *lane = &client->lanes[i];
                        struct rectangle held = { .width = 0 };
                        bool bids = recent(elastic, lane->busy_tick, grants->now);
                        unsigned slot;

                        if (!bids && !fair_share_capped(client->account))
                                continue;
                        if (!grants_newest(grants, lane, SLOT_ELASTIC_A, &slot, &held))
                                held.width = lane->standing;
                        elastic->bidders[n++] =
                                (struct bidder){ .client = client,
                                                 .lane = lane,
                                                 .held = held.width,
                                                 .keeps = kept_in(grants, lane, window, bids),
                                                 .standing = grants_standing(grants, lane),
                                                 .gone_uid = gone.uid.positions,
                                                 .gone_cgroup = gone.cgroup.positions };
                }
        }
        return n;
}

/* Divides the widest gap of the window among the busy lanes that keep nothing in it.
 * Returns the number of bidders, and where the gap begins and how much of it is divided. */
static size_t divide(struct elastic *elastic, struct grants *grants, const struct window *window,
                     uint32_t *ret_start, uint32_t *ret_width) {
        size_t n = gather(elastic, grants, window);
        uint32_t width;

        ledger_widest_gap(grants->ledger, window->t0, window->t1, ret_start, &width);
        *ret_width = width > window->spare ? width - (uint32_t)window->spare : 0;
        return fair_share_plan(elastic->bidders, n, *ret_width, elastic->measured_ticks) < 0 ? 0
                                                                                            : n;
}

/* The plan equals what they have, except for rounding: no lane needs another place. */
static bool keepable(const struct grants *grants, const struct bidder *bidders, size_t n,
                     uint32_t start, uint32_t width) {
        for (size_t i = 0; i < n; i++) {
                const struct client_lane *lane = bidders[i].lane;
                struct rectangle r;
                unsigned slot;

                if (bidders[i].keeps > 0)
                        continue;
                if (!grants_newest(grants, lane, SLOT_ELASTIC_A, &slot, &r) ||
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
                    grants_newest(grants, bidders[i].lane, SLOT_ELASTIC_A, &slot, &r))
                        (void)grants_extend(grants, bidders[i].client, bidders[i].lane, slot, t1);
        }
}

/* Ends all elastic reservations. Returns the tick from which on their positions are free,
 * except those of lanes that hold on for longer (see ledger_withdraw()). */
static uint64_t withdraw(struct elastic *elastic, struct grants *grants) {
        uint64_t all_free, most_free;
        size_t n = 0;

        for (size_t c = 0; c < grants->n_clients; c++)
                for (uint32_t i = 0; i < grants->clients[c]->n_lanes; i++)
                        for (unsigned slot = SLOT_ELASTIC_A; slot <= SLOT_ELASTIC_B; slot++)
                                elastic->withdrawals[n++] = (struct withdrawal){
                                        .entry = grants->clients[c]->lanes[i].entry,
                                        .slot = slot,
                                        .client = grants->clients[c],
                                        .lane = i };
        all_free = ledger_withdraw(grants->ledger, elastic->withdrawals, n, client_cursor_tick);
        /* read later than the time in there, so no honest lane holds on for longer */
        most_free = ledger_withdrawn_by(grants->ledger);
        return all_free < most_free ? all_free : most_free;
}

static void partition(struct grants *grants, const struct bidder *bidders, size_t n,
                      const struct window *window, uint32_t start) {
        for (size_t i = 0; i < n; i++) {
                struct client_lane *lane = bidders[i].lane;
                struct rectangle r = { .start = start, .width = lane->planned,
                                       .t0 = window->t0, .t1 = window->t1 };

                if (bidders[i].keeps > 0 || r.width == 0)
                        continue;
                (void)grants_issue(grants, bidders[i].client, lane, SLOT_ELASTIC_A, r);
                start += r.width;
        }
}

/* The first tick from which on nearly all is free that will be in two ticks: clients that
 * have just left still hold something until then. */
static uint64_t soonest(const struct grants *grants, const struct window *window) {
        uint64_t last = ledger_withdrawn_by(grants->ledger), t0 = window->t0;
        uint32_t start, most, width;

        if (last <= t0 || last >= window->t1)
                return t0;
        ledger_widest_gap(grants->ledger, last, window->t1, &start, &most);
        for (; t0 < last; t0++) {
                ledger_widest_gap(grants->ledger, t0, window->t1, &start, &width);
                if (width >= most - most / 16)
                        break;
        }
        return t0;
}

/* What the lanes hold is planned as if it ended; the plan then says whether it does. */
static void plan(struct elastic *elastic, struct grants *grants, struct window *window) {
        struct window after = { .t0 = later(grants->planned_end, grants->now),
                                .spare = window->spare };
        uint32_t start, width;
        size_t n;

        after.t1 = later(window->t1, after.t0 + 1);
        n = divide(elastic, grants, &after, &start, &width);
        if (n == 0)
                return;
        if (keepable(grants, elastic->bidders, n, start, width)) {
                extend(grants, elastic->bidders, n, window->t1);
                grants->planned_end = later(grants->planned_end, window->t1);
                return;
        }
        window->t0 = later(withdraw(elastic, grants), grants->now);
        window->t0 = soonest(grants, window);
        elastic->settled_tick = window->t0;
        if (window->t0 >= window->t1)
                return;
        n = divide(elastic, grants, window, &start, &width);
        partition(grants, elastic->bidders, n, window, start);
        grants->planned_end = window->t1;
}

void elastic_run(struct elastic *elastic, struct grants *grants, uint64_t spare) {
        struct window window = { .t1 = elastic_plan_end(elastic, grants), .spare = spare };

        if (window.t1 == 0 || make_room(elastic, grants->n_lanes) < 0)
                return;
        if (grants->now >= period_end(elastic))
                measure(elastic, grants);
        elastic->urgent = false;
        /* nothing is withdrawn that could not be granted again */
        if (window.t1 > ledger_fence(grants->ledger))
                window.t1 = ledger_fence(grants->ledger);
        if (window.t1 > grants->now + LEAST_TICKS)
                plan(elastic, grants, &window);
}

/* While no lane was busy, nothing was measured. */
static void begin_looking(struct elastic *elastic, const struct grants *grants) {
        if (elastic_busy(elastic, grants->now))
                return;
        elastic->measured_tick = grants->now;
        elastic->measured_ticks = elastic->period_ticks;
}

void elastic_adopt(struct elastic *elastic, struct grants *grants, struct client *client) {
        for (uint32_t i = 0; i < client->n_lanes; i++) {
                struct client_lane *lane = &client->lanes[i];
                struct rectangle r;
                unsigned slot;

                look(client, lane, 0);
                if (!grants_newest(grants, lane, SLOT_ELASTIC_A, &slot, &r))
                        continue;
                begin_looking(elastic, grants);
                mark_busy(elastic, lane, grants->now);
                if (r.t1 > grants->planned_end)
                        grants->planned_end = r.t1;
        }
}

void elastic_want(struct elastic *elastic, struct grants *grants, struct client *client,
                  struct client_lane *lane, uint32_t count) {
        struct rectangle r;
        unsigned slot;

        begin_looking(elastic, grants);
        if (!recent(elastic, lane->busy_tick, grants->now))
                look(client, lane, 0);
        lane->wanted = count == 0 ? UINT32_MAX : count;
        lane->hinted_tick = grants->now;
        mark_busy(elastic, lane, grants->now);
        /* settled_tick limits how often a flood of hints causes a plan */
        if (!grants_newest(grants, lane, SLOT_ELASTIC_A, &slot, &r))
                elastic->urgent = true;
}
