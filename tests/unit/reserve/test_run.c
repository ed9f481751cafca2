/* SPDX-License-Identifier: MIT */
/* The run grows and shrinks under reservations: U2, U3, and what the coordinator is told. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "daemon/reserve/run.h"
#include "tests/unit/support/reserve_world.h"

#define WORKER 1024u /* positions; the world has four of them */
#define FIRST_WORKER (RUN_START / WORKER)

static struct config few;
static struct clock_segment *clock_segment;
static struct run_keeper keeper;
static uint32_t worker = WORKER;
static struct lease_run held;
static struct { uint32_t count; uint64_t last_tick; unsigned n; } want;

/* The first tick in which nobody will hold anything from there on. */
static uint64_t free_from(uint32_t position) {
        uint64_t free = 0;

        for (unsigned f = 0; f < world.n_fakes; f++)
                for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                        struct rectangle r = { .width = 0 };

                        cr_assert(slot_read(&world.fakes[f].page->slots[0][i], &r));
                        if (r.start + r.width > position && r.t1 > free)
                                free = r.t1;
                }
        return free;
}

struct lease_run lease_run(struct lease *l) {
        (void)l;
        return held;
}

static void request(uint32_t count, uint64_t last_tick) {
        held.asked = true;
        want.count = count;
        want.last_tick = last_tick;
        want.n++;
}

void lease_request_growth(struct lease *l, uint32_t count) {
        (void)l;
        request(count, 0);
        cr_assert_gt(count, held.count);
}

void lease_request_shrink(struct lease *l, uint32_t count, uint64_t last_tick) {
        (void)l;
        request(count, last_tick);
        cr_assert_lt(count, held.count);
        cr_assert_leq(free_from(RUN_START + count * worker), world.now, "it is held still");
        cr_assert_geq(last_tick, world.now);
        cr_assert_eq(atomic_load(&world.segment->worker_count), count);
}

static void answer(uint32_t count) {
        held.count = count;
        held.asked = false;
}

static int64_t now_ns(void) {
        return (int64_t)world.now * 1000000;
}

/* server.c's round_run_length() and round_grant(), and when they are due. */
static void look(void) {
        if (run_keeper_look(&keeper, now_ns(), world.now))
                world.due = reserve_run(world.reserve, world.now);
        cr_assert_leq(atomic_load(&world.segment->worker_count), held.count,
                      "never more than is ours");
        cr_assert_eq(atomic_load(&clock_segment->worker_count),
                     atomic_load(&world.segment->worker_count));
}

static void live(unsigned n) {
        while (n-- > 0) {
                uint64_t planned = world.runs;

                world_step();
                if (world.runs != planned || now_ns() >= keeper.due_ns)
                        look();
        }
}

static void begin_growth(uint32_t count) {
        reserve_set_run(world.reserve, count * worker, world.now);
        world.due = reserve_run(world.reserve, world.now);
        atomic_store(&world.segment->worker_count, count);
        atomic_store(&clock_segment->worker_count, count);
        keeper = (struct run_keeper){ .config = &few,
                                      .lease = &world.lease,
                                      .ledger = world.ledger,
                                      .ledger_segment = world.segment,
                                      .clock = clock_segment,
                                      .reserve = world.reserve };
        run_keeper_init(&keeper);
}

static void set_up_growth(void) {
        world_begin();
        few = world_config;
        few.layout.sequence_bits = 10;
        few.count = 1;
        few.max_count = 4;
        clock_segment = calloc(1, sizeof(*clock_segment));
        clock_segment->worker_first = FIRST_WORKER;
        held = (struct lease_run){ .count = 1, .resizes = true };
        begin_growth(1);
}

static void tear_down_growth(void) {
        free(clock_segment);
        world_end();
}

TestSuite(run, .init = set_up_growth, .fini = tear_down_growth);

static uint32_t in_use(void) {
        return fake_width(&world.fakes[0]) + fake_width(&world.fakes[1]);
}

/* Red when reserve_set_run() leaves the ledger's run as it is. */
Test(run, two_saturating_clients_get_more_and_give_it_back) {
        cr_assert_eq(world_attach(0, SATURATING), 0);
        cr_assert_eq(world_attach(0, SATURATING), 0);
        live(2500);
        cr_assert_eq(want.n, 0);
        cr_assert_leq(in_use(), WORKER);
        live(2000);
        cr_assert(want.n == 1 && want.count == 2);
        live(100);
        cr_assert_leq(in_use(), WORKER, "asked for is not had");
        answer(2);
        look();
        live(20000);
        cr_assert_geq(in_use() * 100, 2 * WORKER * 95);
        live(5000);
        cr_assert(want.n == 2 && want.count == 4);
        answer(3);
        look();
        live(20000);
        cr_assert_geq(in_use() * 100, 3 * WORKER * 95, "a neighbour is in the way");
        live(1000);
        cr_assert(want.n == 3 && want.count == 4);
        answer(3);
        look();
        /* one goes, one needs a little: a minute later half of what there was */
        world_detach(&world.fakes[1]);
        world.fakes[0].demand = 400;
        live(59000);
        cr_assert_eq(reserve_totals(world.reserve).positions, 3 * WORKER);
        live(3000);
        cr_assert_eq(reserve_totals(world.reserve).positions, 2 * WORKER);
        live(16000);
        cr_assert(want.count == 2 && held.asked,
                  "lease_request_shrink() checks that nobody holds it");
        answer(2);
        look();
        live(1000);
        cr_assert_geq(fake_width(&world.fakes[0]), 400);
}

/* So few positions that none is kept for newcomers: the standing reservations, which were
 * at its end, must find room at the new one, or they stay in the middle for ever. Red when
 * reserve_run() keeps nothing free after it has grown. */
Test(run, a_narrow_run_is_in_one_piece_again) {
        worker = 32;
        few.layout.sequence_bits = 5;
        begin_growth(1);
        cr_assert_eq(world_attach(0, SATURATING), 0);
        cr_assert_eq(world_attach(0, SATURATING), 0);
        live(5000);
        cr_assert(want.n == 1 && want.count == 2);
        answer(2);
        look();
        live(19000);
        cr_assert_geq(in_use(), 60);
}

/* Red when pursue() does not compare with the fence. */
Test(run, waits_until_the_clock_is_above_the_fence_of_those_before) {
        cr_assert_eq(world_attach(0, SATURATING), 0);
        live(5000);
        cr_assert(held.asked);
        held.above_tick = world.now + 3000;
        answer(2);
        look();
        while (world.now <= held.above_tick) {
                cr_assert_eq(atomic_load(&world.segment->worker_count), 1);
                cr_assert_leq(fake_width(&world.fakes[0]), WORKER);
                live(1);
        }
        live(2000);
        cr_assert_eq(atomic_load(&world.segment->worker_count), 2);
}

/* Red when set_due() lets an idle daemon sleep. */
Test(run, shrinks_although_nobody_is_there) {
        held.count = 4;
        begin_growth(4);
        look();
        cr_assert_eq(world_attach(0, 1), 0);
        live(5000);
        world_detach(&world.fakes[0]);
        live(75000);
        cr_assert_eq(atomic_load(&world.segment->worker_count), 1);
        cr_assert(held.asked && want.count == 1 && want.n == 1);
        answer(4);
        look();
        cr_assert_eq(want.n, 1, "not at once");
        live(35000);
        cr_assert_eq(want.n, 2, "it is tried again");
        answer(1);
        look();
        cr_assert_eq(keeper.due_ns, INT64_MAX, "nothing is left to do");
}

/* A daemon died after it had got more, or before it had given back; another one goes on
 * with what the ledger segment says. */
Test(run, gives_back_what_it_was_found_with) {
        held = (struct lease_run){ .count = 4, .above_tick = world.now + 600000, .resizes = true };
        begin_growth(2);
        look();
        cr_assert(held.asked && want.count == 2);
        answer(2);
        look();
        live(65000);
        cr_assert(held.asked && want.count == 1);
}

/* The reservations of the daemon before lie in what is not in the run any more: they are
 * held, not extended, and followed by others without a gap. Red when standing.c's
 * extend() goes on elsewhere after -EBUSY alone. */
Test(run, a_restart_with_a_shorter_run) {
        uint64_t end;

        begin_growth(4);
        held.count = 4;
        cr_assert_eq(world_attach(0, 1), 0);
        live(3000);
        end = fake_standing_end(&world.fakes[0]);
        cr_assert_gt(end, world.now + 10000);
        held.count = 1;
        begin_growth(1);
        for (unsigned i = 0; i < 40000; i++) {
                live(1);
                cr_assert_gt(fake_width(&world.fakes[0]), 0, "at %lu", (unsigned long)world.now);
        }
        cr_assert_eq(free_from(RUN_START + WORKER), end);
}

/* The `local` backend: all of it is the host's own. */
Test(run, without_anybody_to_ask) {
        held = (struct lease_run){ .count = 4 };
        cr_assert_eq(world_attach(0, SATURATING), 0);
        live(60000);
        cr_assert_eq(reserve_totals(world.reserve).positions, 4 * WORKER);
        world.fakes[0].demand = 1;
        live(80000);
        cr_assert_eq(reserve_totals(world.reserve).positions, WORKER);
        cr_assert_eq(want.n, 0);
        few.max_count = 1;
}
