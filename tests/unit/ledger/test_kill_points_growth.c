/* SPDX-License-Identifier: MIT */
/*
 * A daemon killed while its run grows or shrinks: what the ledger segment then says is at
 * most what the lease has, and nothing is promised of what it has given back. Built with
 * the kill points armed; each is visited.
 *
 * Red when give_back() has the lease give back before write_used().
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/reserve/run.h"

#define WORKER 4096u
#define CAPACITY 4u
#define POINTS 2u /* the ledger segment's count, and the clock's */
#define NOW 1000000u

/* What survives the daemon. */
struct world {
        struct clock_segment clock;
        uint32_t given; /* what was asked of the lease at last; 0: nothing */
        bool done;
        union {
                struct ledger_segment segment;
                uint8_t bytes[sizeof(struct ledger_segment) +
                              CAPACITY * sizeof(struct ledger_lane)];
        };
};

static struct world *world;

/* The lease has four. */
struct lease_run lease_run(struct lease *lease) {
        (void)lease;
        return (struct lease_run){ .count = 4, .resizes = true };
}

void lease_request_growth(struct lease *lease, uint32_t count) {
        (void)lease, (void)count;
}

void lease_request_shrink(struct lease *lease, uint32_t count, uint64_t last_tick) {
        (void)lease, (void)last_tick;
        world->given = count;
}

uint64_t lease_fence(const struct lease *lease) {
        (void)lease;
        return NOW + 10000000;
}

void lease_raise(struct lease *lease, uint64_t fence_tick) {
        (void)lease, (void)fence_tick;
}

static void live(uint32_t from, uint32_t count) {
        static struct config config = {
                .layout = { .tick_bits = 41, .worker_bits = 10, .sequence_bits = 12 },
                .max_count = 4, .standing_ns = INT64_C(15000000000), .elastic_ns = 200000000,
        };
        struct run_keeper keeper;
        struct reserve *reserve;
        struct ledger *ledger;
        struct fence fence;

        if (!freopen("/dev/null", "w", stderr))
                _exit(1);
        config.count = count;
        if (ledger_new(&ledger, &world->segment, (struct run){ 0, from * WORKER }, NOW) < 0)
                _exit(1);
        fence_init(&fence, NULL, ledger, id_tick_max(&config.layout));
        if (reserve_new(&reserve, &config, ledger, &fence, NULL) < 0)
                _exit(1);
        keeper = (struct run_keeper){ .config = &config,
                                      .ledger = ledger,
                                      .ledger_segment = &world->segment,
                                      .clock = &world->clock,
                                      .reserve = reserve };
        run_keeper_init(&keeper);
        for (int64_t second = 1; second < 100; second++)
                (void)run_keeper_look(&keeper, second * 1000000000, NOW + (uint64_t)second * 1000);
        world->done = true;
        _exit(0);
}

static void visit(unsigned point, uint32_t from, uint32_t count) {
        char text[16];
        int status = 0;
        pid_t child;

        world->given = 0;
        world->done = false;
        world->segment.capacity = CAPACITY;
        world->segment.layout = id_layout_default;
        atomic_store(&world->segment.worker_count, from);
        atomic_store(&world->clock.worker_count, from);
        snprintf(text, sizeof(text), "%u", point);
        setenv("SFSHM_FAULT_AT", text, 1);
        child = fork();
        cr_assert_geq(child, 0);
        if (child == 0)
                live(from, count);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_eq(world->done, point > POINTS, "point %u: %#x", point, (unsigned)status);
        cr_assert_eq(world->segment.worker_count, count, "the first store is what counts");
        cr_assert_eq(world->clock.worker_count, point == 1 ? from : count);
        cr_assert(world->given == 0 || point > POINTS, "given back, and counted still");
}

Test(kill_points, of_a_run_that_grows_and_shrinks) {
        world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                     -1, 0);
        cr_assert_neq(world, MAP_FAILED);
        for (unsigned point = 1; point <= POINTS + 1; point++) {
                visit(point, 1, 4);
                visit(point, 4, 1);
        }
        cr_assert_eq(world->given, 1);
        munmap(world, sizeof(*world));
}
