/* SPDX-License-Identifier: MIT */
/* A running daemon whose threads are stopped one by one, seen by the service manager. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/clock.h"
#include "tests/support/notify_socket.h"
#include "tests/support/private_daemon.h"
#include "tests/support/stop_thread.h"
#include "tests/support/thread_switches.h"

#define PERIOD_MS 400
#define LIMIT_MS 60000

static const char *const threads[] = { "sfshmd-ticker", "sfshmd-lease", "sfshmd-stats" };
#define THREADS (sizeof(threads) / sizeof(threads[0]))

static struct private_daemon d;
static int manager;
static unsigned pings;
static int64_t last_ping_ns;
static pid_t stopped; /* a thread; 0: none */

static void setup(void) {
        char period[32];

        manager = notify_socket_new();
        snprintf(period, sizeof(period), "%d", PERIOD_MS * 1000);
        setenv("WATCHDOG_USEC", period, 1);
        unsetenv("WATCHDOG_PID");
        private_daemon_prepare(&d);
}

static void teardown(void) {
        /* a process is not gone before whoever traces its threads lets them go */
        if (stopped != 0)
                (void)stop_thread_continue(stopped);
        private_daemon_remove(&d);
}

TestSuite(watchdog, .init = setup, .fini = teardown);

static void look(void) {
        unsigned n = notify_socket_pings(manager);

        pings += n;
        if (n > 0)
                last_ping_ns = test_monotonic_ns();
}

static bool pings_reached(void *context) {
        look();
        return pings >= *(const unsigned *)context;
}

static void expect_pings(unsigned n, const char *when) {
        n += pings;
        cr_assert(wait_until(pings_reached, &n, LIMIT_MS), "no signs of life %s", when);
}

static bool pings_ended(void *unused) {
        (void)unused;
        look();
        return test_monotonic_ns() - last_ping_ns > INT64_C(4) * PERIOD_MS * 1000000;
}

static void expect_silence(const char *when) {
        last_ping_ns = test_monotonic_ns();
        cr_assert(wait_until(pings_ended, NULL, LIMIT_MS), "signs of life go on %s", when);
}

/* Each line of the log that names it. */
static unsigned times_named(const char *thread) {
        char text[64], *log = private_daemon_log(&d);
        unsigned n = 0;

        snprintf(text, sizeof(text), "the thread %s has not answered", thread);
        for (const char *at = log; (at = strstr(at, text)) != NULL; at++)
                n++;
        free(log);
        return n;
}

struct naming {
        const char *thread;
        unsigned times;
};

static bool is_named(void *context) {
        const struct naming *naming = context;

        return times_named(naming->thread) >= naming->times;
}

static void let_stop(pid_t tid) {
        cr_assert_eq(stop_thread(tid), 0);
        stopped = tid;
}

static void let_continue(void) {
        cr_assert_eq(stop_thread_continue(stopped), 0);
        stopped = 0;
}

static pid_t thread_of(const char *name) {
        pid_t tid = stop_thread_find(d.pid, name);

        cr_assert_gt(tid, 0, "no thread %s", name);
        return tid;
}

static const struct clock_segment *clock_of_daemon(void) {
        char name[160];
        int fd;
        void *map;

        snprintf(name, sizeof(name), "%s.clock", d.shm);
        fd = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
        cr_assert_geq(fd, 0);
        map = mmap(NULL, sizeof(struct clock_segment), PROT_READ, MAP_SHARED, fd, 0);
        cr_assert(map != MAP_FAILED);
        close(fd);
        return map;
}

static bool ticks(void *clock) {
        return atomic_load(&((struct clock_segment *)clock)->now) != CLOCK_NOW_INVALID;
}

/* A child that keeps the ticker running. */
static pid_t busy_client(void) {
        pid_t child = fork_bound();

        cr_assert_geq(child, 0);
        if (child == 0) {
                sfshm *s = NULL;
                uint64_t id;

                if (sfshm_open(&s, d.socket, 0) < 0)
                        _exit(1);
                while (sfshm_next(s, &id) == 0)
                        ;
                _exit(0);
        }
        cr_assert(wait_until(ticks, (void *)(uintptr_t)clock_of_daemon(), LIMIT_MS));
        return child;
}

/* On a loaded machine a healthy thread may be late as well, and be named too. */
static void stop_and_continue(const char *name) {
        struct naming naming = { .thread = name };
        pid_t tid = thread_of(name);

        expect_pings(3, "of a healthy daemon");
        naming.times = times_named(name) + 1;
        let_stop(tid);
        expect_silence(name);
        cr_assert(wait_until(is_named, &naming, LIMIT_MS), "%s is not named", name);
        let_continue();
        expect_pings(3, "of a thread that goes on");
}

/* Red when start_watchdog() leaves one out, when take_command() is left out of the
 * ticker's idle wait, or the answer out of wait_for_reason() or wait_for_work(). */
Test(watchdog, a_stopped_thread_is_noticed_while_idle) {
        private_daemon_start(&d);
        for (size_t i = 0; i < THREADS; i++)
                stop_and_continue(threads[i]);
        private_daemon_stop(&d);
}

Test(watchdog, a_stopped_thread_is_noticed_while_busy) {
        pid_t client;

        private_daemon_start(&d);
        client = busy_client();
        for (size_t i = 0; i < THREADS; i++)
                stop_and_continue(threads[i]);
        kill(client, SIGKILL);
        waitpid(client, NULL, 0);
        private_daemon_stop(&d);
}

Test(watchdog, a_stopped_ledger_thread_is_noticed) {
        private_daemon_start(&d);
        expect_pings(3, "of a healthy daemon");
        let_stop(d.pid);
        expect_silence("of a stopped ledger thread");
        let_continue();
        expect_pings(3, "of a thread that goes on");
        private_daemon_signal(&d, SIGSTOP, false);
        expect_silence("of a stopped process");
        private_daemon_signal(&d, SIGCONT, false);
        expect_pings(3, "of a process that goes on");
        private_daemon_stop(&d);
        for (size_t i = 0; i < THREADS; i++)
                cr_assert_eq(times_named(threads[i]), 0);
}

/* Of all three together, in whatever time `wait` takes. */
static long switches_during(void (*wait)(void)) {
        long switches = 0;

        for (size_t i = 0; i < THREADS; i++)
                switches -= thread_switches(d.pid, thread_of(threads[i]));
        wait();
        for (size_t i = 0; i < THREADS; i++)
                switches += thread_switches(d.pid, thread_of(threads[i]));
        return switches;
}

static void ten_beats(void) {
        expect_pings(10, "of an idle daemon");
}

/* Ten beats without a wake-up more than one each; not at once, for the lease's
 * thread writes a fence at first. One may be under way at either end. */
static bool beats_are_all(void *unused) {
        unsigned before = pings;
        long switches = switches_during(ten_beats);

        (void)unused;
        return switches <= (long)THREADS * ((long)(pings - before) + 1);
}

/* Red when watchdog_run() asks at each call, or an ask wakes a thread twice. */
Test(watchdog, idle_threads_wake_up_once_a_beat) {
        private_daemon_start(&d);
        expect_pings(1, "of a healthy daemon");
        cr_assert(wait_until(beats_are_all, NULL, LIMIT_MS));
        private_daemon_stop(&d);
}

static bool died(void *unused) {
        siginfo_t info = { .si_pid = 0 };

        (void)unused;
        return waitid(P_PID, (id_t)d.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid != 0;
}

static void five_periods(void) {
        cr_assert_not(wait_until(died, NULL, INT64_C(5) * PERIOD_MS));
}

static bool nobody_wakes_up(void *unused) {
        (void)unused;
        return switches_during(five_periods) == 0;
}

/* Nobody watches: no thread wakes up. Red when watchdog_init() takes a period of its own. */
Test(watchdog, without_it_nobody_wakes_up) {
        unsetenv("WATCHDOG_USEC");
        private_daemon_start(&d);
        cr_assert(wait_until(nobody_wakes_up, NULL, LIMIT_MS));
        cr_assert_eq(notify_socket_pings(manager), 0);
        private_daemon_stop(&d);
}
