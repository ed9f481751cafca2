/* SPDX-License-Identifier: MIT */
/* O1: a lane's IDs increase in the order in which calls happen. T1: an ID's
 * tick lies between the guarded clock at the call and at the return. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/handle.h"
#include "libclient/lane.h"
#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"

TestSuite(O1, .timeout = 120);
TestSuite(T1, .timeout = 120);

static struct private_daemon d;

struct shared {
        _Atomic uint64_t highest; /* of all IDs returned before now */
        _Atomic int broken;
        uint64_t before, id;
};

struct ordered {
        sfshm *handle;
        struct shared *shared;
        int calls;
};

/* Every ID must be above every ID that had been returned before its call. */
static void *take_ordered(void *argument) {
        struct ordered *o = argument;

        for (int i = 0; i < o->calls; i++) {
                uint64_t before = atomic_load(&o->shared->highest), id = 0, seen;

                if (sfshm_next(o->handle, &id) != 0)
                        continue;
                if (id <= before) {
                        o->shared->before = before;
                        o->shared->id = id;
                        atomic_store(&o->shared->broken, 1);
                }
                seen = atomic_load(&o->shared->highest);
                while (seen < id && !atomic_compare_exchange_weak(&o->shared->highest, &seen, id))
                        ;
        }
        return NULL;
}

static void expect_ordered(const struct shared *shared) {
        cr_assert_eq(shared->broken, 0, "%" PRIu64 " was returned after %" PRIu64, shared->id,
                     shared->before);
        cr_assert_neq(shared->highest, 0);
}

/*
 * Threads and a forked child on one handle, while the daemon is killed and
 * started anew. Turns red when lanes_begin() does nothing, or when a claim in
 * an attachment that was left counts (claimed() in lane.c).
 */
Test(O1, one_lane_across_threads_fork_and_restart) {
        enum { THREADS = 3, CALLS = 2000000 };
        struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct ordered o;
        pthread_t threads[THREADS];

        private_daemon_prepare(&d);
        private_daemon_set(&d, "workers.count=64");
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        o = (struct ordered){ private_daemon_open(&d, 0), shared, CALLS };
        for (int i = 0; i < THREADS; i++)
                pthread_create(&threads[i], NULL, take_ordered, &o);
        for (int i = 0; i < 3; i++) {
                private_daemon_signal(&d, SIGKILL, true);
                private_daemon_start(&d);
        }
        for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        expect_ordered(shared);
        sfshm_close(o.handle);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Parent and child share a lane as long as neither attaches anew. */
Test(O1, one_lane_across_fork) {
        struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct ordered o;
        pid_t child;
        int status = 0;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "workers.count=64");
        private_daemon_start(&d);
        o = (struct ordered){ private_daemon_open(&d, 0), shared, 3000000 };
        child = fork_bound();
        take_ordered(&o);
        if (child == 0)
                _exit(0);
        waitpid(child, &status, 0);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        expect_ordered(shared);
        sfshm_close(o.handle);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

static uint64_t guarded_now(const sfshm *s) {
        return clock_tick_now(atomic_load(&s->attachment), NULL);
}

/* Takes one ID; is it of a tick earlier than the guarded clock at the call? None
 * may be later than at the return. */
static bool take_one(sfshm *s, bool *ret_late) {
        const struct sfshm_layout layout = SFSHM_LAYOUT_DEFAULT;
        uint64_t before = guarded_now(s), after, id, tick;
        struct sfshm_parts parts;

        if (sfshm_next(s, &id) != 0)
                return false; /* only where the test sets a time-out */
        after = guarded_now(s);
        cr_assert_eq(sfshm_decode(&layout, id, &parts), 0);
        tick = (uint64_t)(parts.unix_ms - layout.epoch_unix_ms);
        cr_assert_leq(tick, after, "an ID of the future");
        *ret_late = tick < before;
        return true;
}

/* Takes IDs for `duration_ns`; returns how many were late. */
static unsigned count_late(sfshm *s, int64_t duration_ns, unsigned *ret_taken) {
        int64_t until = test_monotonic_ns() + duration_ns;
        unsigned late_ids = 0;

        for (*ret_taken = 0; test_monotonic_ns() < until; ++*ret_taken) {
                bool late = false;

                if (take_one(s, &late))
                        late_ids += late;
        }
        return late_ids;
}

static bool ticker_idle(void *handle) {
        return atomic_load(&attachment_clock(atomic_load(&((sfshm *)handle)->attachment))->now) ==
               CLOCK_NOW_INVALID;
}

/*
 * The ticker is stopped (SIGSTOP) while it runs: `now` stays, and each thread
 * takes at most 63 IDs of the late tick. Turns red without the verification
 * of every 64th offset (next.c).
 */
Test(T1, stopped_daemon_gives_at_most_63_late_ids) {
        unsigned taken;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        reservation_take_until(s, 8000);
        (void)count_late(s, 100000000, &taken); /* busy */
        cr_assert(!ticker_idle(s), "the ticker does not run under load");
        private_daemon_signal(&d, SIGSTOP, false);
        cr_assert_leq(count_late(s, 1000000000, &taken), 63);
        cr_assert_gt(taken, 1000);
        private_daemon_signal(&d, SIGCONT, false);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

static bool nothing_valid(void *handle) {
        const struct attachment *a = atomic_load(&((sfshm *)handle)->attachment);
        uint64_t begins;

        return lane_widest(a, 0, clock_tick_now(a, NULL), &begins) == 0;
}

/*
 * The same, but the client sleeps until its reservation has run out, so that
 * verified calls fail. Red when a failed claim leaves the hot path its hint
 * (lane_claim): then 63 more are late after each failure.
 */
Test(T1, stopped_daemon_and_no_reservation) {
        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        for (int round = 0; round < 5; round++) {
                sfshm *s = private_daemon_open(&d, 0);
                unsigned taken;

                (void)count_late(s, 300000000, &taken);
                sfshm_set_timeout(s, 0);
                private_daemon_signal(&d, SIGSTOP, false);
                cr_assert(wait_until(nothing_valid, s, 20000));
                cr_assert_leq(count_late(s, 20000000, &taken), 63);
                private_daemon_signal(&d, SIGCONT, false);
                sfshm_close(s);
        }
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Dead daemon: the kernel clears the owner word, callers clock themselves, no
 * ID is late at all. Turns red when the hot path does not look at the owner. */
Test(T1, dead_daemon_gives_no_late_id) {
        unsigned taken;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        reservation_take_until(s, 8000);
        private_daemon_signal(&d, SIGKILL, true);
        cr_assert_eq(count_late(s, 500000000, &taken), 0);
        cr_assert_gt(taken, 100);
        sfshm_close(s);
        private_daemon_remove(&d);
}

/* Idle daemon: `now` is INVALID, and so few calls (64 in 16 ticks would) do not
 * wake the ticker. Turns red when the ticker leaves its last tick behind (run_idle). */
Test(T1, idle_daemon_gives_no_late_id) {
        unsigned taken;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        (void)count_late(s, 300000000, &taken);
        cr_assert(wait_until(ticker_idle, s, 60000));
        for (int i = 0; i < 300; i++) {
                bool late = true;

                cr_assert(take_one(s, &late));
                cr_assert(!late);
                cr_assert(ticker_idle(s), "so few calls woke the ticker");
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}
