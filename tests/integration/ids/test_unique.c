/* SPDX-License-Identifier: MIT */
/* U1: no ID is returned twice. Real daemon, real library. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libclient/handle.h"
#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"

TestSuite(U1, .timeout = 240);

static struct private_daemon d;

struct taker {
        sfshm *handle;
        struct arena *arena;
        size_t part;
        size_t count;
        _Atomic int *stop; /* or NULL: until `count` */
};

/* Single IDs, spans and batches in turn. */
static void take(const struct taker *t) {
        uint64_t ids[100], first;
        uint32_t n;

        for (size_t round = 0; t->stop != NULL ? !*t->stop : round * 300 < t->count; round++) {
                for (int i = 0; i < 100; i++)
                        if (sfshm_next(t->handle, &ids[0]) == 0)
                                arena_add(t->arena, t->part, ids[0]);
                if (sfshm_next_batch(t->handle, ids, 100) == 0)
                        for (int i = 0; i < 100; i++)
                                arena_add(t->arena, t->part, ids[i]);
                if (sfshm_next_span(t->handle, 100, &first, &n) == 0)
                        for (uint32_t i = 0; i < n; i++)
                                arena_add(t->arena, t->part, first + i);
        }
}

static void *take_thread(void *taker) {
        take(taker);
        return NULL;
}

static void expect_children_exit(unsigned n) {
        expect_children(n);
}

/*
 * Two processes with handles of their own, two threads each; each forks a
 * child that shares its handle, and one by raw clone. Turns red when the
 * library takes a slot's positions without the offset being below the width
 * (lane.c, span_fits), or when the ledger does not check overlaps.
 */
Test(U1, threads_processes_forks) {
        enum { PROCESSES = 2, TAKERS = 4, COUNT = 150000 };
        struct arena *arena = arena_new(PROCESSES * TAKERS, COUNT * 2);

#ifdef __SANITIZE_THREAD__
        cr_skip_test("ThreadSanitizer allows no threads in a child forked from several");
#endif
        private_daemon_prepare(&d);
        private_daemon_set(&d, "workers.count=4");
        private_daemon_start(&d);
        for (int p = 0; p < PROCESSES; p++) {
                if (fork_bound() == 0) {
                        sfshm *s = private_daemon_open(&d, p == 0 ? 0 : SFSHM_PARALLEL);
                        struct taker takers[TAKERS];
                        pthread_t threads[2];
                        pid_t child, cloned;

                        for (size_t i = 0; i < TAKERS; i++)
                                takers[i] = (struct taker){ s, arena, (size_t)p * TAKERS + i,
                                                            COUNT, NULL };
                        child = fork_bound();
                        if (child == 0) {
                                take(&takers[2]);
                                _exit(0);
                        }
                        cloned = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
                        if (cloned == 0) {
                                take(&takers[3]);
                                _exit(0);
                        }
                        for (int i = 0; i < 2; i++)
                                pthread_create(&threads[i], NULL, take_thread, &takers[i]);
                        for (int i = 0; i < 2; i++)
                                pthread_join(threads[i], NULL);
                        waitpid(child, NULL, 0);
                        waitpid(cloned, NULL, 0);
                        _exit(0);
                }
        }
        expect_children_exit(PROCESSES);
        /* a span may be shorter than asked for */
        cr_assert_geq(arena_expect_unique(arena), PROCESSES * TAKERS * (size_t)COUNT * 2 / 3);
        if (arena->parts[0].used > 0)
                arena_expect_increasing(arena, 0);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/*
 * Under load the daemon is killed and started again, six times; clients that
 * lose their reservation attach anew. Turns red when a new daemon does not
 * hold what its ledger says (ledger_new), or starts a clock of its own.
 */
Test(U1, daemon_killed_and_restarted_under_load) {
        enum { PROCESSES = 3 };
        struct arena *arena = arena_new(PROCESSES, 8 << 20);
        _Atomic int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                 -1, 0);

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        for (size_t p = 0; p < PROCESSES; p++) {
                if (fork_bound() == 0) {
                        struct taker taker = { private_daemon_open(&d, 0), arena, p, 0, stop };

                        take(&taker);
                        _exit(0);
                }
        }
        for (int round = 0; round < 6; round++) {
                size_t before = arena_total(arena);
                int64_t until = test_monotonic_ns() + 10 * INT64_C(1000000000);

                /* until the load has gone on for a while with this daemon */
                while (arena_total(arena) < before + 200000 && test_monotonic_ns() < until)
                        sched_yield();
                private_daemon_signal(&d, round % 2 == 0 ? SIGKILL : SIGTERM, true);
                private_daemon_start(&d);
        }
        *stop = 1;
        expect_children_exit(PROCESSES);
        cr_assert_gt(arena_expect_unique(arena), 1000000);
        for (size_t p = 0; p < PROCESSES; p++)
                arena_expect_increasing(arena, p); /* O1 across the switches */
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
        munmap(stop, 4096);
}

/* The daemon refuses (ETIME) for as long as its clock is below the fence. */
static sfshm *open_when_ready(int64_t limit_s) {
        int64_t until = test_monotonic_ns() + limit_s * 1000000000;
        sfshm *s = NULL;
        int r;

        do
                r = sfshm_open(&s, d.socket, 0);
        while (r < 0 && test_monotonic_ns() < until);
        cr_assert_eq(r, 0, "%s", sfshm_strerror(r));
        return s;
}

/*
 * The segments are lost, as by a reboot: the next daemon starts above the
 * fence on disk. Turns red when main starts the guard without the fence.
 */
Test(U1, segments_lost_starts_above_the_fence) {
        struct arena *arena = arena_new(2, 100000);
        struct taker taker = { NULL, arena, 0, 30000, NULL };
        uint64_t last;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        taker.handle = s = private_daemon_open(&d, 0);
        take(&taker);
        last = arena->parts[0].ids[arena->parts[0].used - 1];
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_lose_segments(&d);
        private_daemon_start(&d);
        /* the old handle goes on with what it was promised, meanwhile */
        take(&taker);
        taker.handle = open_when_ready(60);
        taker.part = 1;
        take(&taker);
        cr_assert_gt(arena->parts[1].ids[0], last);
        arena_expect_unique(arena);
        sfshm_close(s);
        sfshm_close(taker.handle);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/* ---- withdrawal */

/* As the network of the kernel would: the daemon sees the end of the connection, and
 * withdraws what the handle holds while its threads take IDs. */
static void cut(const sfshm *s) {
        const struct attachment *a = atomic_load_explicit(&s->attachment, memory_order_acquire);

        (void)shutdown(a->socket.fd, SHUT_RDWR);
}

/* What a newcomer gets at once: more than its first reservation. */
static void take_as_newcomer(struct arena *arena, size_t part) {
        sfshm *s = private_daemon_open(&d, 0);
        uint64_t id;

        for (int i = 0; i < 200; i++) {
                cr_assert_eq(sfshm_next(s, &id), 0);
                arena_add(arena, part, id);
        }
        sfshm_close(s);
}

/*
 * A handle that has nearly the whole run is cut off again and again. All that it holds is
 * withdrawn while its threads use it, and goes to a newcomer at once; it attaches anew each
 * time. Turns red when positions are granted at a tick at which somebody still uses them.
 */
Test(U1, withdrawn_while_in_use) {
        enum { THREADS = 2, CUTS = 300 };
        struct arena *arena = arena_new(THREADS + 1, 1000000);
        struct taker takers[THREADS];
        pthread_t threads[THREADS];
        _Atomic int stop = 0;
        sfshm *s;

#ifdef __SANITIZE_THREAD__
        cr_skip_test("ThreadSanitizer takes it for a race when the pages of an old attachment are "
                     "replaced while a thread sleeps in it (rule 19); see withdraw_stress");
#endif
        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        for (size_t i = 0; i < THREADS; i++) {
                takers[i] = (struct taker){ s, arena, i, 0, &stop };
                cr_assert_eq(pthread_create(&threads[i], NULL, take_thread, &takers[i]), 0);
        }
        for (int i = 0; i < CUTS; i++) {
                const struct attachment *before =
                        atomic_load_explicit(&s->attachment, memory_order_acquire);

                cut(s);
                take_as_newcomer(arena, THREADS);
                UNTIL(atomic_load_explicit(&s->attachment, memory_order_acquire) != before);
        }
        stop = 1;
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        sfshm_close(s);
        cr_expect_gt(arena_expect_unique(arena), 10000);
        arena_free(arena);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}
