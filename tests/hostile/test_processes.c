/* SPDX-License-Identifier: MIT */
/*
 * S1 and U1 when processes are killed, stopped and forked at any moment: what
 * they held goes to nobody before it has run out.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(hostile_processes, .timeout = 120);

static struct private_daemon d;

enum { STOP, FIRST_PART };

struct taker {
        struct arena *arena;
        size_t part;
        _Atomic uint64_t *shared;
        sfshm *handle; /* NULL: its own */
};

/* Takes until it is told to stop, in all ways there are. */
static int take(void *context) {
        struct taker *t = context;
        sfshm *s = t->handle;
        uint64_t ids[50];
        uint32_t n;

        if (s == NULL && sfshm_open(&s, d.socket, 0) < 0)
                return 1;
        sfshm_set_timeout(s, 100000000);
        while (atomic_load(&t->shared[STOP]) == 0 && getppid() != 1) {
                for (int i = 0; i < 20; i++)
                        if (sfshm_next(s, &ids[0]) == 0)
                                arena_add(t->arena, t->part, ids[0]);
                if (sfshm_next_batch(s, ids, 50) == 0)
                        for (int i = 0; i < 50; i++)
                                arena_add(t->arena, t->part, ids[i]);
                if (sfshm_next_span(s, 20, &ids[0], &n) == 0)
                        for (uint32_t i = 0; i < n; i++)
                                arena_add(t->arena, t->part, ids[0] + i);
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        return 0;
}

struct more {
        const struct arena *arena;
        size_t part;
        size_t used;
};

static bool has_more(void *context) {
        const struct more *more = context;

        return atomic_load(&more->arena->parts[more->part].used) >= more->used;
}

static void wait_for_more(const struct arena *arena, size_t part, size_t n) {
        struct more more = { arena, part, atomic_load(&arena->parts[part].used) + n };

        cr_assert(wait_until(has_more, &more, 30000), "part %zu takes no IDs", part);
}

/* Red when ledger_grant() does not enter a rectangle among the live ones (U2), or
 * the daemon does not survive a client that dies in the middle of something. */
Test(hostile_processes, u1_clients_killed_in_the_middle_of_calls) {
        enum { ROUNDS = 60, STEADY = 2 };
        struct arena *arena = arena_new(STEADY + ROUNDS, 1 << 20);
        _Atomic uint64_t *shared = shared_new();
        struct taker takers[STEADY];
        pid_t steady[STEADY];

        prepare_daemon(&d, 0);
        private_daemon_start(&d);
        for (size_t i = 0; i < STEADY; i++) {
                takers[i] = (struct taker){ arena, i, shared, NULL };
                steady[i] = attacker_start(UID_HONEST, take, &takers[i]);
        }
        for (size_t i = STEADY; i < STEADY + ROUNDS; i++) {
                struct taker t = { arena, i, shared, NULL };
                pid_t pid = attacker_start(UID_STRANGER, take, &t);

                wait_for_more(arena, i, i % 7 * 13 + 1);
                attacker_kill(pid);
        }
        for (size_t i = 0; i < STEADY; i++)
                wait_for_more(arena, i, 10);
        atomic_store(&shared[STOP], 1);
        for (size_t i = 0; i < STEADY; i++)
                cr_expect_eq(attacker_wait(steady[i]), 0);
        cr_expect_geq(arena_expect_unique(arena), ROUNDS);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(shared);
        arena_free(arena);
}

/* Clients stopped anywhere in a call, for longer than what they hold stands,
 * while the daemon is killed and others use their positions. Red when
 * ledger_new() does not adopt what the ledger says. */
Test(hostile_processes, u1_clients_stopped_past_their_reservations) {
        enum { ROUNDS = 3, SLEEPERS = 4, AWAKE = SLEEPERS, PARTS = SLEEPERS + ROUNDS + 1 };
        struct arena *arena = arena_new(PARTS, 1 << 20);
        _Atomic uint64_t *shared = shared_new();
        struct taker takers[PARTS];
        pid_t pids[PARTS];

        prepare_daemon(&d, 0);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        for (size_t i = 0; i <= AWAKE; i++) {
                takers[i] = (struct taker){ arena, i, shared, NULL };
                pids[i] = attacker_start(UID_STRANGER, take, &takers[i]);
                wait_for_more(arena, i, 100);
        }
        for (size_t round = 0; round < ROUNDS; round++) {
                int64_t until = test_monotonic_ns() + 1300000000;
                size_t fresh = AWAKE + 1 + round;

                for (size_t i = 0; i < SLEEPERS; i++)
                        kill(pids[i], SIGSTOP);
                private_daemon_signal(&d, round % 2 == 0 ? SIGKILL : SIGTERM, true);
                private_daemon_start(&d);
                takers[fresh] = (struct taker){ arena, fresh, shared, NULL };
                pids[fresh] = attacker_start(UID_STRANGER, take, &takers[fresh]);
                while (test_monotonic_ns() < until)
                        wait_for_more(arena, AWAKE, 50);
                wait_for_more(arena, fresh, 100);
                for (size_t i = 0; i < SLEEPERS; i++)
                        kill(pids[i], SIGCONT);
                for (size_t i = 0; i < SLEEPERS; i++)
                        wait_for_more(arena, i, 100);
        }
        atomic_store(&shared[STOP], 1);
        for (size_t i = 0; i < PARTS; i++) {
                cr_expect_eq(attacker_wait(pids[i]), 0);
                arena_expect_increasing(arena, i);
        }
        arena_expect_unique(arena);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(shared);
        arena_free(arena);
}

/* Parents die at once; their children go on with the inherited handle, in every
 * second family without its socket: the daemon believes those clients gone. */
static int leave_children(void *context) {
        struct taker *t = context;
        sfshm *s = NULL;

        if (sfshm_open(&s, d.socket, 0) < 0)
                return 1;
        for (size_t i = 0; i < 2; i++) {
                if (fork() == 0) {
                        int64_t until = test_monotonic_ns() + 2000000000;
                        uint64_t id;

                        if (t->part % 4 == 0)
                                close_range(3, ~0u, 0);
                        sfshm_set_timeout(s, 0);
                        while (test_monotonic_ns() < until && atomic_load(&t->shared[STOP]) == 0)
                                for (int n = 0; n < 20; n++)
                                        if (sfshm_next(s, &id) == 0)
                                                arena_add(t->arena, t->part + i, id);
                        /* counts itself: its parent is gone */
                        atomic_fetch_add(&t->shared[FIRST_PART], 1);
                        _exit(0);
                }
        }
        return 0;
}

static bool all_gone(void *context) {
        return atomic_load((_Atomic uint64_t *)context) == 16;
}

/* Red when ledger_close_lane() frees what has not run out. */
Test(hostile_processes, u1_children_outlive_their_parents) {
        enum { FAMILIES = 8, PARTS = 2 * FAMILIES + 1 };
        struct arena *arena = arena_new(PARTS, 1 << 20);
        _Atomic uint64_t *shared = shared_new();
        struct taker newcomer = { arena, PARTS - 1, shared, NULL };
        pid_t pid;

        prepare_daemon(&d, 0);
        private_daemon_start(&d);
        pid = attacker_start(UID_HONEST, take, &newcomer);
        for (size_t i = 0; i < FAMILIES; i++) {
                struct taker t = { arena, 2 * i, shared, NULL };

                cr_assert_eq(attacker_run(UID_STRANGER, leave_children, &t), 0);
                wait_for_more(arena, PARTS - 1, 100);
        }
        cr_assert(wait_until(all_gone, (void *)&shared[FIRST_PART], 30000));
        wait_for_more(arena, PARTS - 1, 1000);
        atomic_store(&shared[STOP], 1);
        cr_expect_eq(attacker_wait(pid), 0);
        for (size_t i = 0; i < FAMILIES; i++)
                cr_expect_gt(arena->parts[2 * i + 1].used, 0);
        arena_expect_unique(arena);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(shared);
        arena_free(arena);
}
