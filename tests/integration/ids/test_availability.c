/* SPDX-License-Identifier: MIT */
/* A1: a daemon that is away goes unnoticed while a reservation is valid. And
 * what a call says when it cannot go on. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/handle.h"
#include "libclient/lane.h"
#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"

#define SETTLED_MS 8000 /* of the 15 s of reserve.standing */

TestSuite(A1, .timeout = 120);
TestSuite(errors, .timeout = 120);

static struct private_daemon d;

static void take_for(sfshm *s, int64_t duration_ns) {
        int64_t until = test_monotonic_ns() + duration_ns;
        uint64_t id, last = 0;

        while (test_monotonic_ns() < until) {
                cr_assert_eq(sfshm_next(s, &id), 0);
                cr_assert_gt(id, last);
                last = id;
        }
}

/* Calls until one fails; returns its error and how long the failing call took. */
static int take_until_error(sfshm *s, int64_t limit_ns, int64_t *ret_call_ns) {
        int64_t until = test_monotonic_ns() + limit_ns;

        while (test_monotonic_ns() < until) {
                int64_t begun = test_monotonic_ns();
                uint64_t id;
                int r = sfshm_next(s, &id);

                if (r < 0) {
                        *ret_call_ns = test_monotonic_ns() - begun;
                        return r;
                }
        }
        return 0;
}

/*
 * The daemon is killed: IDs flow for the standing reservation's time, then
 * -ENOTCONN at once; when the daemon is back, so are the IDs, higher ones.
 * Turns red when the standing reservation is not extended ahead (standing.c),
 * or when no_slot() waits for a dead daemon (claim.c).
 */
Test(A1, killed_daemon_leaves_the_standing_reservation) {
        int64_t killed, gone, call_ns = 0;
        uint64_t before, after = 0;
        sfshm *s;
        int r;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=3s");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        reservation_take_until(s, 2500);
        killed = test_monotonic_ns();
        reservation_take_until(s, 1900); /* which at least two thirds of it are */
        cr_assert_eq(sfshm_next(s, &before), 0);
        private_daemon_signal(&d, SIGKILL, true);
        r = take_until_error(s, 20000000000, &call_ns);
        gone = test_monotonic_ns();
        cr_assert_eq(r, -ENOTCONN, "%s", sfshm_strerror(r));
        cr_assert_gt(gone - killed, 1500000000, "the reservation did not stand");
        cr_assert_lt(gone - killed, 10000000000);
        cr_assert_eq(sfshm_next(s, &after), -ENOTCONN);
        private_daemon_start(&d);
        while ((r = sfshm_next(s, &after)) == -ENOTCONN &&
               test_monotonic_ns() - gone < 20000000000)
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        cr_assert_eq(r, 0, "%s", sfshm_strerror(r));
        cr_assert_gt(after, before);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Killed and started again at once: no call fails. */
Test(A1, restart_is_not_noticed) {
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        for (int i = 0; i < 3; i++) {
                reservation_take_until(s, SETTLED_MS);
                private_daemon_signal(&d, i == 1 ? SIGTERM : SIGKILL, true);
                take_for(s, 100000000);
                private_daemon_start(&d);
        }
        reservation_take_until(s, SETTLED_MS);
        take_for(s, 500000000);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Calls until the client has attached anew, and a thousand times more. */
static void take_until_attached_anew(sfshm *s, const struct attachment *before) {
        int64_t until = test_monotonic_ns() + 30000000000;
        uint64_t id, last = 0;

        for (unsigned i = 0; i < 1000;) {
                int r = sfshm_next(s, &id);

                cr_assert_eq(r, 0, "%s", sfshm_strerror(r));
                cr_assert_gt(id, last);
                last = id;
                /* relaxed: this thread alone calls */
                i += atomic_load_explicit(&s->attachment, memory_order_relaxed) != before;
                cr_assert_lt(test_monotonic_ns(), until, "it has not attached anew");
        }
}

/*
 * Attached for a moment only when the daemon is killed and started again: no call fails.
 * Turns red when the first reservation is shorter than reserve.standing.
 */
Test(A1, attached_for_a_moment) {
        static const int64_t ages_ms[] = { 0, 20, 100, 300, 600, 900 };

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        for (size_t i = 0; i < sizeof(ages_ms) / sizeof(ages_ms[0]); i++) {
                const struct attachment *before;
                sfshm *s = private_daemon_open(&d, 0);

                take_for(s, ages_ms[i] * 1000000);
                before = atomic_load_explicit(&s->attachment, memory_order_relaxed);
                private_daemon_signal(&d, SIGKILL, true);
                take_for(s, 300000000);
                private_daemon_spawn(&d);
                take_until_attached_anew(s, before);
                sfshm_close(s);
        }
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Killed over and over, each time soon after a client has attached anew: no call fails. */
Test(A1, crash_loop) {
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        reservation_take_until(s, SETTLED_MS);
        for (int i = 0; i < 10; i++) {
                const struct attachment *before =
                        atomic_load_explicit(&s->attachment, memory_order_relaxed);

                private_daemon_signal(&d, SIGKILL, true);
                take_for(s, 300000000);
                private_daemon_spawn(&d);
                take_until_attached_anew(s, before);
        }
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* A client that slept past its reservation (SIGSTOP) while the daemon was
 * killed and started anew gets IDs again, and no old ones. */
Test(A1, client_stopped_past_its_reservation) {
        int pipes[2], status = 0;
        uint64_t other, id = 0;
        sfshm *s;
        pid_t child;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        cr_assert_eq(pipe(pipes), 0);
        child = fork_bound();
        if (child == 0) {
                s = private_daemon_open(&d, 0);
                reservation_take_until(s, 600);
                raise(SIGSTOP);
                while (sfshm_next(s, &id) != 0)
                        ;
                _exit(write(pipes[1], &id, sizeof(id)) != sizeof(id));
        }
        cr_assert_eq(waitpid(child, &status, WUNTRACED), child);
        cr_assert(WIFSTOPPED(status));
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        take_for(s, 1200000000); /* positions of the stopped one are reused */
        cr_assert_eq(sfshm_next(s, &other), 0);
        kill(child, SIGCONT);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        cr_assert_eq(read(pipes[0], &id, sizeof(id)), (ssize_t)sizeof(id));
        cr_assert_gt(id >> 22, (other >> 22) - 1);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Overflow without waiting: -EAGAIN, and sfshm_retry_at() says until when. */
Test(errors, overflow_says_when_to_try_again) {
        int64_t call_ns = 0, left;
        uint64_t id;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        cr_assert_eq(sfshm_set_timeout(s, -2), -EINVAL);
        cr_assert_eq(sfshm_set_timeout(s, 0), 0);
        cr_assert_eq(take_until_error(s, 20000000000, &call_ns), -EAGAIN);
        left = sfshm_retry_at(s) - test_monotonic_ns();
        cr_assert_leq(left, 2000000, "%ld ns from now", (long)left);
        cr_assert_gt(left, -1000000000);
        for (int tries = 0; tries < 1000; tries++) {
                while (test_monotonic_ns() < sfshm_retry_at(s))
                        ;
                if (sfshm_next(s, &id) == 0)
                        break;
                cr_assert_lt(tries, 999, "no ID at the time that was named");
        }
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* A batch which the time-out can never allow is refused at once, one that it
 * can allow is waited for. */
Test(errors, batch_and_time_out) {
        enum { MANY = 100000 }; /* 24.4 ticks of one worker */
        uint64_t *ids = calloc(MANY, sizeof(*ids));
        int64_t begun;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        cr_assert_eq(sfshm_next_batch(s, ids, 0), 0);
        sfshm_set_timeout(s, 0);
        cr_assert_eq(sfshm_next_batch(s, ids, MANY), -EMSGSIZE);
        sfshm_set_timeout(s, 10000000);
        cr_assert_eq(sfshm_next_batch(s, ids, MANY), -EMSGSIZE);
        sfshm_set_timeout(s, 30000000000);
        begun = test_monotonic_ns();
        cr_assert_eq(sfshm_next_batch(s, ids, MANY), 0);
        cr_assert_lt(test_monotonic_ns() - begun, 30000000000);
        for (int i = 1; i < MANY; i++)
                cr_assert_gt(ids[i], ids[i - 1]);
        sfshm_set_timeout(s, 40000000); /* 40 ticks would do, if nobody else were there */
        private_daemon_signal(&d, SIGSTOP, false);
        while (sfshm_next_batch(s, ids, 5000) == 0)
                ; /* until the elastic reservation has run out */
        cr_assert_eq(sfshm_next_batch(s, ids, 20000), -ETIMEDOUT);
        private_daemon_signal(&d, SIGCONT, false);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        free(ids);
}

static bool elastic_is_over(void *handle) {
        const struct attachment *a = atomic_load(&((sfshm *)handle)->attachment);
        uint64_t begins;

        return lane_widest(a, 0, clock_tick_now(a, NULL), &begins) < 500;
}

/* A batch that may not wait, after a quiet time: it is too wide for the standing
 * reservation, and gets through once its hint has. Red when a lane sends none
 * because its last tick was an elastic one (lane_on_elastic). */
Test(errors, batch_without_waiting_after_a_quiet_time) {
        uint64_t ids[500];
        int64_t until;
        sfshm *s;
        int r;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        sfshm_set_timeout(s, 0);
        for (int round = 0; round < 3; round++) {
                until = test_monotonic_ns() + 20000000000;
                while ((r = sfshm_next_batch(s, ids, 500)) == -EAGAIN &&
                       test_monotonic_ns() < until)
                        ;
                cr_assert_eq(r, 0, "round %d: %s", round, sfshm_strerror(r));
                cr_assert(wait_until(elastic_is_over, s, 20000));
        }
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

Test(errors, open_without_a_daemon) {
        sfshm *s = (sfshm *)&d;

        cr_assert_eq(sfshm_open(&s, "/nonexistent/sfshm.sock", 0), -ENOENT);
        cr_assert_eq(s, (sfshm *)&d, "ret was touched");
        cr_assert_eq(sfshm_open(&s, NULL, 1u << 31), -EINVAL);
        cr_assert_null(sfshm_close(NULL));
}
