/* SPDX-License-Identifier: MIT */
/* Simulated time: whoever is due does what is due. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/random.h"
#include "world.h"

#define BLOCKS 4096u

struct world world;
static void *blocks[BLOCKS];
static unsigned n_blocks;

uint64_t world_below(uint64_t limit) {
        return random_below(&world.random, limit);
}

bool world_chance(uint64_t one_in) {
        return world_below(one_in) == 0;
}

void *world_memory(size_t size) {
        void *block = calloc(1, size);

        if (block == NULL || n_blocks == BLOCKS)
                abort();
        blocks[n_blocks++] = block;
        return block;
}

void world_begin(uint64_t seed, bool exact, int64_t wall_ns) {
        world = (struct world){
                .random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15), .exact = exact,
                .true_ns = wall_ns, .wall_ns = wall_ns, .boot_ns = 5 * SECOND,
                .synchronised = true, .notice_ns = NEVER, .next_step_ns = NEVER,
                .config = { .layout = id_layout_default, .max_clients = 1,
                            .shm = (char[]){ "/simulated" }, .state_dir = (char[]){ "/simulated" },
                            .standing_ns = 15 * SECOND, .elastic_ns = 200 * MS,
                            .clock = { .on_rollback = GUARD_OFFSET, .max_offset_ns = 10 * SECOND,
                                       .max_forward_step_ns = MINUTE, .max_slew_ns = 10 * MS } },
        };
        for (unsigned i = 0; i < 10; i++)
                (void)random_next(&world.random);
        for (unsigned i = 0; i < CLIENTS; i++)
                world.clients[i].attach_ns = NEVER;
        check_begin(seed);
}

void world_end(void) {
        daemon_kill();
        while (n_blocks > 0)
                free(blocks[--n_blocks]);
}

static int64_t earlier(int64_t a, int64_t b) {
        return a < b ? a : b;
}

static int64_t next_event(void) {
        int64_t next = earlier(daemon_deadline(), world.notice_ns);

        return world.daemon.up ? earlier(next, lease_due(&world.daemon.lease)) : next;
}

void world_pass(int64_t ns) {
        int64_t end_ns = world.boot_ns + ns;
        unsigned at_once = 0;

        for (;;) {
                int64_t at_ns = next_event();

                if (at_ns > end_ns)
                        break;
                if (at_ns > world.boot_ns) {
                        clocks_pass(at_ns - world.boot_ns);
                        at_once = 0;
                } else if (++at_once > 1000) {
                        fail("looks for ever");
                }
                clients_take();
                if (world.daemon.up && lease_due(&world.daemon.lease) <= world.boot_ns) {
                        lease_go_on(&world.daemon.lease);
                        if (!world.daemon.lease.news)
                                continue;
                }
                if (!world.daemon.up)
                        world.notice_ns = NEVER;
                daemon_round();
                clients_take();
        }
        if (end_ns > world.boot_ns)
                clocks_pass(end_ns - world.boot_ns);
        clients_take();
}

void world_step(int64_t by_ns, int64_t notice_ns) {
        trace("the wall clock is set by %ld us", (long)(by_ns / US));
        world.wall_ns += by_ns;
        check_stepped(by_ns);
        if (notice_ns != NEVER && world.boot_ns + notice_ns < world.notice_ns)
                world.notice_ns = world.boot_ns + notice_ns;
}

void world_suspend(int64_t ns) {
        trace("suspended for %ld us", (long)(ns / US));
        clocks_pass(ns);
        check_stopped();
        clients_take();
}

/* What lies on the disk stays. */
void world_reboot(bool clean_stop, int64_t off_ns, int64_t wall_error_ns) {
        uint64_t id = world_below(UINT64_MAX);

        trace("reboot, off for %ld us, wall clock off by %ld us", (long)(off_ns / US),
              (long)(wall_error_ns / US));
        if (clean_stop)
                daemon_stop();
        else
                daemon_kill();
        for (unsigned i = 0; i < CLIENTS; i++)
                world.clients[i] = (struct sim_client){ .attach_ns = NEVER };
        memset(world.files, 0, sizeof(world.files));
        memcpy(world.boot_id, &id, sizeof(id));
        clocks_pass(off_ns);
        world.wall_ns += wall_error_ns;
        world.boot_ns = 3 * SECOND;
        world.notice_ns = NEVER;
        world.stepped = false;
        check_stopped();
}
