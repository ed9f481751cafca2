/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Simulates the reservations of one worker tick by tick, with clients of
 * various demand, against an independent checker which knows only what stands
 * in the clients' pages.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reserve/planner.h"
#include "daemon/reserve/reserve.h"

#define RUN_START 4096u
#define RUN_WIDTH 4096u
#define CLIENTS_MAX 2100u
#define HINT_EVERY_TICKS 5u
#define SATURATING UINT32_MAX

struct account {
        uid_t uid;
        uint32_t uid_weight;
        uint64_t uid_cap;
        bool limited;
};

/* A client, its page, and what the checker saw there last. It stays here after
 * it is gone, for its promises do. */
struct fake {
        struct client *client; /* NULL once gone */
        struct grants_page *page;
        uint32_t demand;       /* IDs it would take in a tick */
        uint64_t ids, overflows, hinted_tick;
        struct rectangle seen[SLOTS_PER_LANE];
};

struct lease {
        uint64_t fence, asked;
        bool stalled;
};

static struct account accounts[4];
static struct fake fakes[CLIENTS_MAX];
static unsigned n_fakes;
static struct lease lease;
static struct ledger_segment *segment;
static struct ledger *ledger;
static struct fence fence;
static struct reserve *reserve;
static uint64_t now, due, runs;

/* The modules which reserve asks, in this program's words. */
int client_read_lane(const struct client *client, uint32_t lane, struct client_counters *ret) {
        (void)lane;
        *ret = (struct client_counters){ .ids = fakes[client->id].ids,
                                         .overflows = fakes[client->id].overflows };
        return 0;
}

uint64_t lease_fence(const struct lease *l) {
        return l->fence;
}

void lease_raise(struct lease *l, uint64_t fence_tick) {
        if (fence_tick > l->asked)
                l->asked = fence_tick;
        if (!l->stalled)
                l->fence = l->asked;
}

/* The fence asks these when it is stuck or comes down, which it does not here. */
int lease_error(const struct lease *l) {
        (void)l;
        return 0;
}

const char *lease_error_text(const struct lease *l, int error) {
        (void)l;
        return strerror(-error);
}

const char *lease_remedy(const struct lease *l) {
        (void)l;
        return "";
}

const char *lease_place(const struct lease *l) {
        (void)l;
        return "";
}

struct lease *lease_release(struct lease *l, uint64_t last_tick) {
        (void)l, (void)last_tick;
        return NULL;
}

uid_t account_uid(const struct account *account) {
        return account->uid;
}

bool account_limited(const struct account *account) {
        return account->limited;
}

const char *account_cgroup(const struct account *account) {
        (void)account;
        return "/some.slice";
}

uint32_t account_uid_weight(const struct account *account) {
        return account->uid_weight;
}

uint64_t account_uid_cap(const struct account *account) {
        return account->uid_cap;
}

uint32_t account_cgroup_weight(const struct account *account) {
        (void)account;
        return 1;
}

uint64_t account_cgroup_cap(const struct account *account) {
        (void)account;
        return UINT64_MAX;
}

static const struct config config = {
        .layout = { .tick_bits = 41, .worker_bits = 10, .sequence_bits = 12 },
        .standing_ns = INT64_C(15000000000),
        .elastic_ns = INT64_C(200000000),
};

static inline void start_daemon(void) {
        cr_assert_eq(ledger_new(&ledger, segment, (struct run){ RUN_START, RUN_WIDTH }, now), 0);
        fence_init(&fence, &lease, ledger, id_tick_max(&config.layout));
        cr_assert_eq(reserve_new(&reserve, &config, ledger, &fence, NULL), 0);
        due = reserve_run(reserve, now);
}

static inline void set_up(void) {
        now = 1000003;
        lease = (struct lease){ .fence = now };
        for (unsigned i = 0; i < 4; i++)
                accounts[i] = (struct account){ 1000 + i, 1, UINT64_MAX, false };
        segment = calloc(1, ledger_segment_size(CLIENTS_MAX));
        cr_assert_not_null(segment);
        segment->capacity = CLIENTS_MAX;
        start_daemon();
}

static inline void tear_down(void) {
        reserve = reserve_free(reserve);
        ledger = ledger_free(ledger);
        for (unsigned i = 0; i < n_fakes; i++) {
                free(fakes[i].client);
                free(fakes[i].page);
        }
        memset(fakes, 0, sizeof(fakes));
        n_fakes = 0;
        free(segment);
}

static inline int attach(unsigned account, uint32_t demand) {
        struct fake *fake = &fakes[n_fakes];
        struct client *client = calloc(1, sizeof(*client) + sizeof(client->lanes[0]));
        int result;

        cr_assert_lt(n_fakes, CLIENTS_MAX);
        *fake = (struct fake){ .client = client, .page = calloc(1, grants_page_size(1)),
                               .demand = demand };
        fake->page->base_tick = now - 1;
        client->id = n_fakes++;
        client->account = &accounts[account];
        client->attached_tick = now;
        client->n_lanes = 1;
        client->grants.map = fake->page;
        cr_assert_eq(ledger_open_lane(ledger, client->id + 1, 0, 0, 0, fake->page->slots[0],
                                      &client->lanes[0].entry), 0);
        result = reserve_attach(reserve, client, now);
        due = reserve_run(reserve, now);
        return result;
}

static inline void detach(struct fake *fake) {
        reserve_detach(reserve, fake->client);
        (void)ledger_close_lane(ledger, fake->client->lanes[0].entry);
        free(fake->client);
        fake->client = NULL;
}

/* Another daemon finds the ledger of one that died with all its connections. */
static inline void restart_daemon(void) {
        reserve = reserve_free(reserve);
        ledger = ledger_free(ledger);
        for (unsigned i = 0; i < n_fakes; i++) {
                free(fakes[i].client);
                fakes[i].client = NULL;
        }
        start_daemon();
        reserve_begin_grace(reserve, now);
}

/* The last tick promised in a standing reservation, and one. */
static inline uint64_t standing_end(const struct fake *fake) {
        uint64_t end = 0;

        for (unsigned i = SLOT_STANDING_A; i <= SLOT_STANDING_B; i++) {
                struct rectangle r;

                if (slot_read(&fake->page->slots[0][i], &r) && r.t1 > end)
                        end = r.t1;
        }
        return end;
}

/* The width a client has at this tick: the widest valid slot. */
static inline uint32_t width_of(const struct fake *fake) {
        uint32_t widest = 0;

        for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                struct rectangle r;

                if (slot_read(&fake->page->slots[0][i], &r) && rectangle_at(&r, now) &&
                    r.width > widest)
                        widest = r.width;
        }
        return widest;
}

/* The positions it holds in elastic ones at this tick. */
static inline uint32_t elastic_of(const struct fake *fake) {
        uint32_t sum = 0;

        for (unsigned i = SLOT_ELASTIC_A; i <= SLOT_ELASTIC_B; i++) {
                struct rectangle r;

                if (slot_read(&fake->page->slots[0][i], &r) && rectangle_at(&r, now))
                        sum += r.width;
        }
        return sum;
}

static inline bool same_grant(const struct rectangle *a, const struct rectangle *b) {
        return a->start == b->start && a->width == b->width && a->t0 == b->t0;
}

/* U2 and U3, from the pages alone. Every tick is looked at, so a rectangle
 * that overlaps another one anywhere is found when that tick comes. */
static inline void check_pages(void) {
        static uint16_t holder[RUN_WIDTH];

        memset(holder, 0xff, sizeof(holder));
        for (unsigned f = 0; f < n_fakes; f++)
                for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                        struct rectangle *seen = &fakes[f].seen[i], r;

                        cr_assert(slot_read(&fakes[f].page->slots[0][i], &r));
                        cr_assert_leq(r.t1, lease.fence, "U3");
                        if (same_grant(seen, &r)) {
                                cr_assert_geq(r.t1, seen->t1, "a promise shrank");
                        } else {
                                cr_assert_leq(seen->t1, now, "a live promise was replaced");
                                cr_assert_leq(seen->t1, r.t0);
                        }
                        *seen = r;
                        if (!rectangle_at(&r, now))
                                continue;
                        cr_assert(r.start >= RUN_START &&
                                  r.start - RUN_START <= RUN_WIDTH - r.width);
                        for (uint32_t p = r.start - RUN_START; p < r.start - RUN_START + r.width;
                             p++) {
                                cr_assert_eq(holder[p], 0xffff, "position %u at %lu: %u and %u", p,
                                             (unsigned long)now, holder[p], f);
                                holder[p] = (uint16_t)f;
                        }
                }
}

static inline void use(struct fake *fake) {
        uint32_t width = width_of(fake);

        fake->ids += fake->demand < width ? fake->demand : width;
        if (fake->demand <= width)
                return;
        fake->overflows++;
        if (fake->hinted_tick != 0 && now - fake->hinted_tick < HINT_EVERY_TICKS)
                return;
        fake->hinted_tick = now;
        reserve_want(reserve, fake->client, 0, fake->demand == SATURATING ? 0 : fake->demand, now);
        due = reserve_run(reserve, now);
}

static inline void step(void) {
        now++;
        if (now >= due) {
                due = reserve_run(reserve, now);
                cr_assert_gt(due, now);
                runs++;
        }
        for (unsigned i = 0; i < n_fakes; i++)
                if (fakes[i].client)
                        use(&fakes[i]);
        check_pages();
}

static inline void steps(unsigned n) {
        while (n-- > 0)
                step();
}
