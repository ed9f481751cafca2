/* SPDX-License-Identifier: MIT */
/* A call that waits sleeps: for a daemon that does not answer, for one that does not accept,
 * for a grant, for a tick that does not come. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/handle.h"
#include "libclient/lane.h"
#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"
#include "tests/support/thread_switches.h"

TestSuite(waiting, .timeout = 120);

#define WAIT_MS 3000

static struct private_daemon d;

static bool nothing_valid(void *handle) {
        const struct attachment *a = atomic_load(&((sfshm *)handle)->attachment);
        uint64_t begins;

        return lane_widest(a, 0, clock_tick_now(a, NULL), &begins) == 0;
}

static int64_t cpu_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return ts.tv_sec * NS_PER_SECOND + ts.tv_nsec;
}

/* A call that waits until its time-out: at most 30 wake-ups in each second, and what they
 * need of the processor (0.3 % on an idle machine; the bound is loose for slow ones). */
static void expect_sleep(sfshm *s, int error) {
        int64_t begun_ns, waited_ms, cpu;
        long switches;
        int r;
        uint64_t id;

        sfshm_set_timeout(s, WAIT_MS * INT64_C(1000000));
        switches = thread_switches(getpid(), gettid());
        begun_ns = test_monotonic_ns();
        cpu = cpu_ns();
        r = sfshm_next(s, &id);
        cr_assert_eq(r, error, "%s", sfshm_strerror(r));
        cpu = cpu_ns() - cpu;
        waited_ms = (test_monotonic_ns() - begun_ns) / 1000000;
        switches = thread_switches(getpid(), gettid()) - switches;
        cr_assert_geq(waited_ms, WAIT_MS);
        cr_assert_leq(switches, waited_ms * 30 / 1000, "%ld times in %ld ms", switches,
                      (long)waited_ms);
        cr_assert_leq(cpu, waited_ms * 1000000 / 50, "%ld ns in %ld ms", (long)cpu,
                      (long)waited_ms);
}

/* A handle without a valid reservation whose daemon is gone, and what listens instead. */
static sfshm *left_alone(int backlog, int *ret_listener) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        reservation_take_until(s, 600);
        private_daemon_signal(&d, SIGKILL, true);
        cr_assert(wait_until(nothing_valid, s, 20000));
        unlink(d.socket);
        *ret_listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", d.socket);
        cr_assert_eq(bind(*ret_listener, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(listen(*ret_listener, backlog), 0);
        return s;
}

static void end(sfshm *s, int listener) {
        close(listener);
        sfshm_close(s);
        private_daemon_remove(&d);
}

/* Red when reattach_wait() polls at a fixed interval. */
Test(waiting, for_an_answer) {
        int listener;
        sfshm *s = left_alone(16, &listener);

        expect_sleep(s, -ETIMEDOUT);
        end(s, listener);
}

/* As the last, but the connection itself is not accepted. */
Test(waiting, for_a_full_backlog) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int listener, other = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        sfshm *s = left_alone(0, &listener);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", d.socket);
        cr_assert_eq(connect(other, (struct sockaddr *)&address, sizeof(address)), 0);
        expect_sleep(s, -ETIMEDOUT);
        close(other);
        end(s, listener);
}

/* A daemon that accepts and hangs up is about to be back: the call goes on. Red when that is
 * taken for its absence (may_pass()): -ENOTCONN at once. */
Test(waiting, a_hang_up_is_no_answer) {
        int listener;
        sfshm *s = left_alone(16, &listener);
        uint64_t id;

        sfshm_set_timeout(s, INT64_C(1000000000));
        if (fork_bound() == 0) {
                for (int i = 0; i < 3; i++)
                        close(accept(listener, NULL, NULL));
                pause();
        }
        cr_assert_eq(sfshm_next(s, &id), -ETIMEDOUT);
        end(s, listener);
}

/* The daemon stands still: nothing is extended, the connection is alive. Red when
 * wait_for_grant() looks every 20 ms. */
Test(waiting, for_a_grant) {
        uint64_t id;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        reservation_take_until(s, 600);
        private_daemon_signal(&d, SIGSTOP, false);
        cr_assert(wait_until(nothing_valid, s, 20000));
        sfshm_set_timeout(s, 0);
        while (sfshm_next(s, &id) == 0)
                ; /* at most 63 of the tick in which it was stopped */
        expect_sleep(s, -ETIMEDOUT);
        private_daemon_signal(&d, SIGCONT, false);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}
