/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/reserve_world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define HINT_EVERY_TICKS 5u

struct reserve_world world;

/* Stand in for the modules that reserve asks. */
int client_read_lane(const struct client *client, uint32_t lane, struct client_counters *ret) {
        (void)lane;
        *ret = (struct client_counters){ .ids = world.fakes[client->id].ids,
                                         .overflows = world.fakes[client->id].overflows };
        return 0;
}

uint64_t client_cursor_tick(const struct client *client, uint32_t lane) {
        (void)lane;
        return world.fakes[client->id].cursor_tick;
}

static uint64_t world_tick(void *context) {
        (void)context;
        return world.now;
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

uint32_t account_cgroup_number(const struct account *account) {
        (void)account;
        return 1;
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

const struct config world_config = {
        .layout = { .tick_bits = 41, .worker_bits = 10, .sequence_bits = 12 },
        .standing_ns = INT64_C(15000000000),
        .elastic_ns = INT64_C(200000000),
};

static void world_start_daemon(void) {
        cr_assert_eq(ledger_new(&world.ledger, world.segment, (struct run){ RUN_START, RUN_WIDTH },
                                world.now), 0);
        ledger_set_clock(world.ledger, (struct ledger_clock){ world_tick, NULL });
        fence_init(&world.fence, &world.lease, world.ledger, id_tick_max(&world_config.layout));
        cr_assert_eq(reserve_new(&world.reserve, &world_config, world.ledger, &world.fence, NULL),
                     0);
        world.due = reserve_run(world.reserve, world.now);
}

void world_begin(void) {
        world.now = 1000003;
        world.lease = (struct lease){ .fence = world.now };
        for (unsigned i = 0; i < 4; i++)
                world.accounts[i] = (struct account){ 1000 + i, 1, UINT64_MAX, false };
        world.segment = calloc(1, ledger_segment_size(CLIENTS_MAX));
        cr_assert_not_null(world.segment);
        world.segment->capacity = CLIENTS_MAX;
        world.segment->layout = id_layout_default;
        world_start_daemon();
}

void world_end(void) {
        world.reserve = reserve_free(world.reserve);
        world.ledger = ledger_free(world.ledger);
        for (unsigned i = 0; i < world.n_fakes; i++) {
                free(world.fakes[i].client);
                free(world.fakes[i].page);
        }
        memset(world.fakes, 0, sizeof(world.fakes));
        world.n_fakes = 0;
        free(world.segment);
}

int world_attach(unsigned account, uint32_t demand) {
        return world_attach_process(account, demand, 1000 + world.n_fakes);
}

int world_attach_process(unsigned account, uint32_t demand, uint32_t pid) {
        struct fake *fake = &world.fakes[world.n_fakes];
        struct client *client = calloc(1, sizeof(*client) + sizeof(client->lanes[0]));
        int result;

        cr_assert_lt(world.n_fakes, CLIENTS_MAX);
        *fake = (struct fake){ .client = client, .page = calloc(1, grants_page_size(1)),
                               .account = account, .demand = demand };
        fake->page->base_tick = world.now - 1;
        client->id = world.n_fakes++;
        client->account = &world.accounts[account];
        client->attached_tick = world.now;
        client->pid = (pid_t)pid;
        client->n_lanes = 1;
        client->grants.map = fake->page;
        cr_assert_eq(ledger_open_lane(world.ledger, client->id + 1, 0,
                                      world.accounts[account].uid, pid, fake->page->slots[0],
                                      &client->lanes[0].entry), 0);
        client->lanes[0].entry->record->cgroup = account_cgroup_number(client->account);
        result = reserve_attach(world.reserve, client, world.now);
        world.due = reserve_run(world.reserve, world.now);
        return result;
}

struct ledger_gone world_gone(unsigned account, uint64_t tick) {
        struct ledger_owner owner = { .uid = world.accounts[account].uid, .cgroup = 1 };

        return ledger_gone(world.ledger, owner, tick);
}

void world_detach(struct fake *fake) {
        reserve_withdraw(world.reserve, fake->client);
        reserve_detach(world.reserve, fake->client);
        (void)ledger_close_lane(world.ledger, fake->client->lanes[0].entry);
        free(fake->client);
        fake->client = NULL;
}

void world_restart_daemon(void) {
        world.reserve = reserve_free(world.reserve);
        world.ledger = ledger_free(world.ledger);
        for (unsigned i = 0; i < world.n_fakes; i++) {
                free(world.fakes[i].client);
                world.fakes[i].client = NULL;
        }
        world_start_daemon();
}

uint64_t fake_standing_end(const struct fake *fake) {
        uint64_t end = 0;

        for (unsigned i = SLOT_STANDING_A; i <= SLOT_STANDING_B; i++) {
                struct rectangle r;

                if (slot_read(&fake->page->slots[0][i], &r) && r.t1 > end)
                        end = r.t1;
        }
        return end;
}

uint32_t fake_width(const struct fake *fake) {
        uint32_t widest = 0;

        for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                struct rectangle r;

                if (slot_read(&fake->page->slots[0][i], &r) && rectangle_at(&r, world.now) &&
                    r.width > widest)
                        widest = r.width;
        }
        return widest;
}

uint32_t fake_elastic_width(const struct fake *fake) {
        uint32_t sum = 0;

        for (unsigned i = SLOT_ELASTIC_A; i <= SLOT_ELASTIC_B; i++) {
                struct rectangle r;

                if (slot_read(&fake->page->slots[0][i], &r) && rectangle_at(&r, world.now))
                        sum += r.width;
        }
        return sum;
}

static bool same_grant(const struct rectangle *a, const struct rectangle *b) {
        return a->start == b->start && a->width == b->width && a->t0 == b->t0;
}

/* U2 and U3, from the pages alone. Every tick is looked at, so a rectangle
 * that overlaps another one anywhere is found when that tick comes. */
void world_check_pages(void) {
        static uint16_t holder[RUN_WIDTH];

        memset(holder, 0xff, sizeof(holder));
        for (unsigned f = 0; f < world.n_fakes; f++)
                for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                        struct rectangle *seen = &world.fakes[f].seen[i], r;

                        cr_assert(slot_read(&world.fakes[f].page->slots[0][i], &r));
                        cr_assert_leq(r.t1, world.lease.fence, "U3");
                        if (same_grant(seen, &r)) {
                                /* an elastic one may be withdrawn, and all of one that has
                                 * left: never the present tick, nor the next */
                                cr_assert(r.t1 >= seen->t1 ||
                                                  ((i >= SLOT_ELASTIC_A ||
                                                    !world.fakes[f].client) &&
                                                   r.t1 >= world.now + 1),
                                          "a promise shrank");
                        } else {
                                cr_assert_leq(seen->t1, world.now, "a live promise was replaced");
                                cr_assert_leq(seen->t1, r.t0);
                        }
                        *seen = r;
                        if (!rectangle_at(&r, world.now))
                                continue;
                        cr_assert(r.start >= RUN_START &&
                                  r.start - RUN_START <= RUN_WIDTH - r.width);
                        for (uint32_t p = r.start - RUN_START; p < r.start - RUN_START + r.width;
                             p++) {
                                cr_assert_eq(holder[p], 0xffff, "position %u at %lu: %u and %u", p,
                                             (unsigned long)world.now, holder[p], f);
                                holder[p] = (uint16_t)f;
                        }
                }
}

static void use(struct fake *fake) {
        uint32_t width = fake_width(fake);

        fake->ids += fake->demand < width ? fake->demand : width;
        if (fake->demand <= width)
                return;
        fake->overflows++;
        if (fake->hinted_tick != 0 && world.now - fake->hinted_tick < HINT_EVERY_TICKS)
                return;
        fake->hinted_tick = world.now;
        reserve_want(world.reserve, fake->client, 0, fake->demand == SATURATING ? 0 : fake->demand,
                     world.now);
        world.due = reserve_run(world.reserve, world.now);
}

void world_step(void) {
        world.now++;
        if (world.now >= world.due) {
                world.due = reserve_run(world.reserve, world.now);
                cr_assert_gt(world.due, world.now);
                world.runs++;
        }
        for (unsigned i = 0; i < world.n_fakes; i++)
                if (world.fakes[i].client)
                        use(&world.fakes[i]);
        world_check_pages();
}

void world_steps(unsigned n) {
        while (n-- > 0)
                world_step();
}
