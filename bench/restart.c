/* SPDX-License-Identifier: MIT */
/*
 * The longest call of a client while the daemon is killed, or stopped, and started
 * again at once, as a service manager does; beside the same without. And how long
 * it takes from kill -9 until the new daemon has reserved something. Starts and
 * ends the daemon itself: its arguments are the daemon's command line.
 * $SFSHM_SOCKET is the socket in it.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "bench/support/bars.h"
#include "bench/support/measure.h"
#include "bench/support/own_daemon.h"
#include "libclient/handle.h"

#define CALLERS 2u
#define RESTARTS 100u /* kill -9 and SIGTERM in turn */
#define QUIET_NS (3 * NS_PER_S)
#define ALIVE_NS (300 * NS_PER_MS)
#define LOOK_NS (100 * INT64_C(1000))
#define RESERVED_LIMIT_NS (15 * NS_PER_S)

struct caller {
        pthread_t thread;
        sfshm *handle;
        struct latencies calls[2]; /* undisturbed, with restarts */
        _Atomic int64_t longest_ns; /* since the last restart */
        uint64_t failures;
        int error; /* of the last that failed */
};

static struct caller callers[CALLERS];
static _Atomic bool stop;
static _Atomic unsigned phase;

static void *call(void *argument) {
        struct caller *c = argument;
        int64_t before = now_ns();

        /* relaxed: when exactly the phase changes does not matter */
        while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
                unsigned now_in = atomic_load_explicit(&phase, memory_order_relaxed);
                int64_t after;
                uint64_t id;
                int r = sfshm_next(c->handle, &id);

                if (r < 0) {
                        c->failures++;
                        c->error = r;
                }
                after = now_ns();
                latencies_add(&c->calls[now_in], after - before);
                if (after - before > atomic_load_explicit(&c->longest_ns, memory_order_relaxed))
                        atomic_store_explicit(&c->longest_ns, after - before,
                                              memory_order_relaxed);
                before = after;
        }
        return NULL;
}

static void start_callers(void) {
        for (unsigned i = 0; i < CALLERS; i++) {
                int error;

                callers[i].handle = own_daemon_open();
                error = pthread_create(&callers[i].thread, NULL, call, &callers[i]);
                if (error != 0)
                        fail("cannot start a thread", -error);
        }
}

static uint64_t stop_callers(struct latencies calls[2]) {
        uint64_t failures = 0;

        atomic_store_explicit(&stop, true, memory_order_relaxed);
        for (unsigned i = 0; i < CALLERS; i++) {
                pthread_join(callers[i].thread, NULL);
                for (unsigned p = 0; p < 2; p++)
                        latencies_merge(&calls[p], &callers[i].calls[p]);
                failures += callers[i].failures;
                if (callers[i].error != 0)
                        printf("  the last failure: %s\n", sfshm_strerror(callers[i].error));
                sfshm_close(callers[i].handle);
        }
        return failures;
}

/* The longest since this was last asked, in ms. */
static double take_longest(void) {
        int64_t longest = 0;

        for (unsigned i = 0; i < CALLERS; i++) {
                int64_t own = atomic_exchange_explicit(&callers[i].longest_ns, 0,
                                                       memory_order_relaxed);

                longest = own > longest ? own : longest;
        }
        return (double)longest / 1e6;
}

/* The furthest promise in the pages a caller uses now, and which pages. */
struct promise {
        const struct attachment *pages;
        uint64_t t1;
};

static struct promise promise_of(const struct caller *c) {
        const struct attachment *a = atomic_load_explicit(&c->handle->attachment,
                                                          memory_order_acquire);
        struct promise promise = { .pages = a };

        for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                struct rectangle r;

                if (slot_read(&attachment_grants(a)->slots[0][i], &r) && r.t1 > promise.t1)
                        promise.t1 = r.t1;
        }
        return promise;
}

/* Until somebody's pages show what only the new daemon can have written: an
 * extension of the old ones, or new ones. When (now_ns()). */
static int64_t wait_for_reservation(const struct promise before[CALLERS]) {
        int64_t limit = now_ns() + RESERVED_LIMIT_NS;

        while (now_ns() < limit) {
                for (unsigned i = 0; i < CALLERS; i++) {
                        struct promise now = promise_of(&callers[i]);

                        if (now.t1 > before[i].t1 || (now.pages != before[i].pages && now.t1 > 0))
                                return now_ns();
                }
                sleep_ns(LOOK_NS);
        }
        fail("the new daemon reserves nothing; see its log", 0);
}

/* What is kept of each restart, in ms. */
static struct {
        double longest[RESTARTS];
        double dead[RESTARTS / 2], exec[RESTARTS / 2], reserved[RESTARTS / 2]; /* after kill -9 */
} figures;

static pid_t restart(pid_t pid, char *const command[], unsigned n) {
        struct promise before[CALLERS];
        int64_t begun = now_ns(), dead, running, reserved;

        own_daemon_end(pid, n % 2 == 0 ? SIGKILL : SIGTERM);
        dead = now_ns();
        for (unsigned i = 0; i < CALLERS; i++)
                before[i] = promise_of(&callers[i]);
        pid = own_daemon_start(command, NULL, &running);
        reserved = wait_for_reservation(before);
        if (n % 2 == 0) {
                figures.dead[n / 2] = (double)(dead - begun) / 1e6;
                figures.exec[n / 2] = (double)(running - dead) / 1e6;
                figures.reserved[n / 2] = (double)(reserved - begun) / 1e6;
        }
        return pid;
}

static void report_both(const char *what, double *values, size_t n, struct target max_target) {
        char name[80];

        snprintf(name, sizeof(name), "%s, median of %zu", what, n);
        report(name, median(values, n), "ms", TARGET_NONE);
        snprintf(name, sizeof(name), "%s, max", what);
        report_values(name, percentile(values, n, 1), "ms", max_target, values, n);
}

int main(int argc, char **argv) {
        static struct latencies calls[2];
        uint64_t failures;
        pid_t pid;

        if (argc < 2)
                fail("usage: bench-restart SFSHMD [ARGUMENT]...", 0);
        report_title("restart", "2 saturating callers, 100 restarts by kill -9 and SIGTERM in turn");
        pid = own_daemon_start(argv + 1, NULL, NULL);
        start_callers();
        sleep_ns(QUIET_NS);
        atomic_store_explicit(&phase, 1, memory_order_relaxed);
        for (unsigned i = 0; i < RESTARTS; i++) {
                (void)take_longest();
                pid = restart(pid, argv + 1, i);
                sleep_ns(ALIVE_NS);
                figures.longest[i] = take_longest();
        }
        failures = stop_callers(calls);
        own_daemon_end(pid, SIGKILL);
        latencies_report("undisturbed", &calls[0], TARGET_NONE);
        latencies_report("with restarts", &calls[1], TARGET_BELOW(5000));
        report("calls that failed", (double)failures, "calls", TARGET_AT_MOST(0));
        bars_print("longest call of each restart, ms", figures.longest, RESTARTS);
        report_both("longest call of each restart", figures.longest, RESTARTS, TARGET_BELOW(5));
        report_both("kill -9 to dead", figures.dead, RESTARTS / 2, TARGET_NONE);
        report_both("dead to exec of the next", figures.exec, RESTARTS / 2, TARGET_NONE);
        report_both("kill -9 to first reservation", figures.reserved, RESTARTS / 2,
                    TARGET_BELOW(150));
        return 0;
}
