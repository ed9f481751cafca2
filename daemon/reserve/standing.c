/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/standing.h"

#include <errno.h>

#include "daemon/ledger/withdraw.h"
#include "daemon/reserve/planner.h"
#include "daemon/reserve/caps.h"

static uint64_t later(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

static uint64_t ahead(const struct standing *standing, const struct grants *grants) {
        return grants->now + standing->ticks;
}

/* The width that a lane should have: at least 1, within the caps and half the run. */
static uint32_t wish(const struct standing *standing, const struct grants *grants,
                     const struct client *client, const struct client_lane *lane) {
        uint64_t others = standing->positions - lane->standing;
        uint64_t width = planner_standing(grants_run_width(grants), grants->n_lanes);
        uint64_t total = planner_standing_total(grants_run_width(grants));
        uint64_t cap = caps_standing(grants, client, lane);

        if (width > cap)
                width = cap;
        if (others >= total || width > total - others)
                width = others >= total ? 1 : total - others;
        return width > 1 ? (uint32_t)width : 1;
}

static void charge(struct standing *standing, struct client_lane *lane, uint32_t positions) {
        standing->positions = standing->positions - lane->standing + positions;
        lane->standing = positions;
}

/* The highest place. It takes at most a sixteenth of what is free, which on a busy daemon is
 * what was kept for newcomers, so that dozens find room there. */
static int place(const struct grants *grants, uint64_t t0, uint64_t t1, uint32_t width,
                 struct rectangle *ret) {
        uint32_t start, free;

        ledger_widest_gap(grants->ledger, t0, t1, &start, &free);
        if (width > free / 16)
                width = free / 16 > 1 ? free / 16 : 1;
        if (ledger_find_high(grants->ledger, t0, t1, width, &start) < 0)
                return -EAGAIN;
        *ret = (struct rectangle){ .start = start, .width = width, .t0 = t0, .t1 = t1 };
        return 0;
}

/* If there is no place for as long as that, one that is free for now: others may have
 * promises that begin later. */
static int grant(struct standing *standing, struct grants *grants, struct client *client,
                 struct client_lane *lane, uint64_t t0, uint64_t t1) {
        uint32_t width = wish(standing, grants, client, lane);
        struct rectangle r;

        if (caps_standing(grants, client, lane) == 0)
                return -EAGAIN; /* the next plan will leave room */
        if (place(grants, t0, t1, width, &r) < 0 &&
            place(grants, t0, t0 + STANDING_BRIEF_TICKS, width, &r) < 0)
                return -EAGAIN;
        if (grants_issue(grants, client, lane, SLOT_STANDING_A, r) < 0)
                return -EAGAIN;
        charge(standing, lane, r.width);
        return 0;
}

/* Half of the run is for standing reservations, those of clients that are gone included. */
static bool has_room(const struct standing *standing, const struct grants *grants,
                     const struct client *client) {
        uint64_t total = planner_standing_total(grants_run_width(grants));
        struct ledger_gone gone = caps_gone(grants, client, ledger_withdrawn_by(grants->ledger));

        return standing->positions + client->n_lanes + gone.all.standing <= total;
}

int standing_attach(struct standing *standing, struct grants *grants, struct client *client) {
        uint64_t t1;
        int result = 0;

        if (!has_room(standing, grants, client))
                return -ENOSPC;
        if (caps_admit(grants, client, standing->refusal) < 0)
                return -EDQUOT;
        if (grants_add(grants, client) < 0)
                return -ENOMEM;
        for (uint32_t i = 0; i < client->n_lanes; i++) {
                client->lanes[i].standing = 0;
                charge(standing, &client->lanes[i], 1);
        }
        t1 = ahead(standing, grants);
        for (uint32_t i = 0; i < client->n_lanes; i++) {
                if (grant(standing, grants, client, &client->lanes[i], grants->now, t1) == 0)
                        continue;
                standing->waiting++;
                result = -EAGAIN;
        }
        return result;
}

int standing_adopt(struct standing *standing, struct grants *grants, struct client *client) {
        if (grants_add(grants, client) < 0)
                return -ENOMEM;
        for (uint32_t i = 0; i < client->n_lanes; i++) {
                struct client_lane *lane = &client->lanes[i];
                struct rectangle held = { .width = 1 };
                unsigned slot;

                (void)grants_newest(grants, lane, SLOT_STANDING_A, &slot, &held);
                lane->standing = 0;
                charge(standing, lane, held.width);
        }
        return 0;
}

void standing_detach(struct standing *standing, const struct client *client) {
        for (uint32_t i = 0; i < client->n_lanes; i++)
                standing->positions -= client->lanes[i].standing;
}

bool standing_ready(const struct grants *grants, const struct client *client) {
        struct rectangle r;

        for (uint32_t i = 0; i < client->n_lanes; i++)
                if (!grants_at(grants, &client->lanes[i], SLOT_STANDING_A, grants->now, &r))
                        return false;
        return true;
}

/* Is another width wanted, or is there room higher up, which keeps the room below in one
 * piece? The search begins now and not at the successor's t0: from there every other
 * client's place would look free. */
static bool better_place(const struct standing *standing, const struct grants *grants,
                         const struct client *client, const struct client_lane *lane,
                         const struct rectangle *held, uint64_t t1, struct rectangle *ret) {
        uint32_t width = wish(standing, grants, client, lane), start;
        bool resize = width >= 2 * (uint64_t)held->width || held->width >= 2 * (uint64_t)width;

        if (!resize)
                width = held->width;
        if (ledger_find_high(grants->ledger, grants->now, t1, width, &start) < 0)
                start = held->start;
        if (start <= held->start && width < held->width)
                start = held->start + (held->width - width); /* shrinks where it is */
        if (start <= held->start && !(resize && start != held->start))
                return false;
        *ret = (struct rectangle){ .start = start, .width = width, .t0 = held->t1, .t1 = t1 };
        return true;
}

static void extend(struct standing *standing, struct grants *grants, struct client *client,
                   struct client_lane *lane, unsigned slot, const struct rectangle *held,
                   uint64_t t1) {
        struct rectangle successor;
        int r;

        if (better_place(standing, grants, client, lane, held, t1, &successor) &&
            grants_issue(grants, client, lane, SLOT_STANDING_A, successor) == 0) {
                charge(standing, lane, successor.width);
                return;
        }
        /* the place was free only for now, or the run no longer has it: continue elsewhere */
        r = grants_extend(grants, client, lane, slot, t1);
        if (r == -EBUSY || r == -EINVAL)
                (void)grant(standing, grants, client, lane, held->t1, t1);
}

static void run_lane(struct standing *standing, struct grants *grants, struct client *client,
                     struct client_lane *lane, uint64_t at_least) {
        uint64_t t1 = later(ahead(standing, grants), at_least);
        struct rectangle held;
        unsigned slot;

        if (!grants_newest(grants, lane, SLOT_STANDING_A, &slot, &held)) {
                if (grant(standing, grants, client, lane, grants->now, t1) < 0)
                        standing->waiting++;
                return;
        }
        /* those that are nearly due are extended together with the one that is */
        if (held.t1 < at_least || held.t1 - grants->now < (t1 - grants->now) / 4 * 3)
                extend(standing, grants, client, lane, slot, &held, t1);
}

void standing_run(struct standing *standing, struct grants *grants, uint64_t at_least) {
        standing->waiting = 0;
        for (size_t c = 0; c < grants->n_clients; c++)
                for (uint32_t i = 0; i < grants->clients[c]->n_lanes; i++)
                        run_lane(standing, grants, grants->clients[c],
                                 &grants->clients[c]->lanes[i], at_least);
}

/* What ends there already, or later, is left alone. */
static void extend_client(struct grants *grants, struct client *client, uint64_t t1) {
        for (uint32_t i = 0; i < client->n_lanes; i++) {
                struct rectangle held;
                unsigned slot;

                if (grants_newest(grants, &client->lanes[i], SLOT_STANDING_A, &slot, &held))
                        (void)grants_extend(grants, client, &client->lanes[i], slot, t1);
        }
}

void standing_prepare_step(const struct standing *standing, struct grants *grants,
                           uint64_t to_tick) {
        for (size_t c = 0; c < grants->n_clients; c++)
                extend_client(grants, grants->clients[c], to_tick + standing->ticks);
}

static uint64_t latest_end(const struct grants *grants) {
        uint64_t latest = 0;

        for (size_t c = 0; c < grants->n_clients; c++)
                for (uint32_t i = 0; i < grants->clients[c]->n_lanes; i++) {
                        struct rectangle held;
                        unsigned slot;

                        if (grants_newest(grants, &grants->clients[c]->lanes[i], SLOT_STANDING_A,
                                          &slot, &held))
                                latest = later(latest, held.t1);
                }
        return latest;
}

void standing_align_ends(struct grants *grants) {
        uint64_t t1 = latest_end(grants);

        for (size_t c = 0; c < grants->n_clients; c++)
                extend_client(grants, grants->clients[c], t1);
}

/* When less than two thirds are left. */
static uint64_t lane_due(const struct standing *standing, const struct grants *grants,
                         const struct client *client, const struct client_lane *lane,
                         uint64_t retry) {
        uint64_t reserve = STANDING_LEFT(standing->ticks);
        struct rectangle held;
        unsigned slot;

        if (!grants_newest(grants, lane, SLOT_STANDING_A, &slot, &held))
                return retry;
        if (grants_limit(grants, client, UINT64_MAX) <= held.t1)
                return UINT64_MAX; /* the fence must be raised first */
        if (held.t1 < reserve || held.t1 - reserve < grants->now)
                return retry;
        return held.t1 - reserve + 1;
}

uint64_t standing_due(const struct standing *standing, const struct grants *grants,
                      uint64_t retry) {
        uint64_t due = UINT64_MAX;

        for (size_t c = 0; c < grants->n_clients; c++)
                for (uint32_t i = 0; i < grants->clients[c]->n_lanes; i++) {
                        uint64_t lane = lane_due(standing, grants, grants->clients[c],
                                                 &grants->clients[c]->lanes[i], retry);
                        due = lane < due ? lane : due;
                }
        return due;
}
