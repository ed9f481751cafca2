/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/clock/ticker.h"
#include "tests/support/thread_switches.h"
#include "tests/support/until.h"

/* Shared with children, as the real one is with everybody. */
static struct clock_segment *segment_new(void) {
        struct clock_segment *segment = mmap(NULL, sizeof(*segment), PROT_READ | PROT_WRITE,
                                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct clock_line line = { .boot_base_ns = until_ns(CLOCK_BOOTTIME),
                                   .guarded_base_ns = 1000 * NS_PER_TICK };

        cr_assert(segment != MAP_FAILED);
        line.slew_end_boot_ns = line.boot_base_ns;
        clock_latch_write(segment, &line);
        return segment;
}

static uint64_t now_of(struct clock_segment *segment) {
        return atomic_load_explicit(&segment->now, memory_order_acquire);
}

static uint32_t owner_of(struct clock_segment *segment) {
        return atomic_load_explicit(&segment->owner, memory_order_acquire);
}

static uint64_t true_tick(struct clock_segment *segment) {
        struct clock_line line;

        clock_latch_begin(segment, &line);
        return clock_tick_of(clock_line_at(&line, until_ns(CLOCK_BOOTTIME)));
}

/* T1: never ahead. Red when run_one_tick() publishes tick + 1. */
Test(ticker, T1_now_is_never_ahead_of_the_clock_and_never_falls) {
        struct clock_segment *segment = segment_new();
        struct ticker *ticker = NULL;
        uint64_t last = 0, seen = 0;

        cr_assert_eq(ticker_new(&ticker, segment, &wall_clock_kernel), 0);
        cr_assert(clock_owner_live(owner_of(segment)));
        cr_assert_eq(now_of(segment), CLOCK_NOW_INVALID);
        cr_assert_not(ticker_running(ticker));
        ticker_set_running(ticker, true);
        cr_assert(ticker_running(ticker));
        UNTIL(now_of(segment) != CLOCK_NOW_INVALID);
        while (seen < 300) {
                uint64_t now = now_of(segment), at_most = true_tick(segment);

                cr_assert(now <= at_most, "now %ju, clock %ju", (uintmax_t)now, (uintmax_t)at_most);
                cr_assert(now >= last, "now fell from %ju to %ju", (uintmax_t)last, (uintmax_t)now);
                seen += now != last;
                last = now;
        }
        cr_assert(ticker_count(ticker) >= 300);
        /* every tick of this time was published or counted as skipped */
        cr_assert(ticker_count(ticker) + ticker_late_count(ticker) <= last - 1000 + 1);
        cr_assert_null(ticker_free(ticker));
        cr_assert_eq(now_of(segment), CLOCK_NOW_INVALID);
        cr_assert_eq(owner_of(segment), 0);
}

/* Red when run_idle() does not store INVALID, or polls. */
Test(ticker, idle_means_invalid_and_no_wakeups) {
        struct clock_segment *segment = segment_new();
        struct ticker *ticker = NULL;

        cr_assert_eq(ticker_new(&ticker, segment, &wall_clock_kernel), 0);
        for (int round = 0; round < 5; round++) {
                uint64_t count = ticker_count(ticker), tick;
                long before;

                ticker_set_running(ticker, true);
                ticker_set_running(ticker, true);
                UNTIL(ticker_count(ticker) > count + 3);
                ticker_set_running(ticker, false);
                UNTIL(now_of(segment) == CLOCK_NOW_INVALID);
                count = ticker_count(ticker);
                /* it is on its way to sleep, then stays there for 100 ticks */
                before = thread_switches(getpid(), (pid_t)owner_of(segment));
                tick = true_tick(segment);
                UNTIL(true_tick(segment) >= tick + 100);
                cr_assert(thread_switches(getpid(), (pid_t)owner_of(segment)) <= before + 1);
                cr_assert_eq(ticker_count(ticker), count);
        }
        ticker_free(ticker);
}

static int calls;

static void count_call(void *context) {
        ++*(int *)context;
}

Test(ticker, on_run_is_called_when_ticking_begins) {
        struct clock_segment *segment = segment_new();
        struct ticker *ticker = NULL;

        cr_assert_eq(ticker_new(&ticker, segment, &wall_clock_kernel), 0);
        ticker_on_run(ticker, count_call, &calls);
        ticker_set_running(ticker, true);
        ticker_set_running(ticker, true);
        cr_assert_eq(calls, 1);
        ticker_set_running(ticker, false);
        cr_assert_eq(calls, 1);
        ticker_set_running(ticker, true);
        cr_assert_eq(calls, 2);
        ticker_on_run(ticker, NULL, NULL);
        ticker_set_running(ticker, false);
        ticker_set_running(ticker, true);
        cr_assert_eq(calls, 2);
        ticker_free(ticker);
}

#ifdef __SANITIZE_THREAD__
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif

/* ThreadSanitizer kills a forked child that starts a thread. */
static void needs_threads_after_fork(void) {
#ifdef THREAD_SANITIZER
        cr_skip_test("ThreadSanitizer allows no threads after fork");
#endif
}

/* A child whose ticker runs; returns once it does. */
static pid_t child_with_ticker(struct clock_segment *segment) {
        pid_t child = fork();

        cr_assert(child >= 0);
        if (child == 0) {
                struct ticker *ticker = NULL;

                /* not to outlive a test that failed */
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || ticker_new(&ticker, segment, &wall_clock_kernel) < 0)
                        _exit(1);
                ticker_set_running(ticker, true);
                for (;;)
                        pause();
        }
        UNTIL(clock_owner_live(owner_of(segment)) && now_of(segment) != CLOCK_NOW_INVALID);
        return child;
}

/* However the daemon dies, the owner word shows it, without anybody being
 * waited for. Red when own_segment() leaves out set_robust_list, or links the
 * entry to a word of its own. */
Test(ticker, the_kernel_tells_that_the_daemon_died) {
        const int signals[] = { SIGKILL, SIGTERM, SIGABRT };

        needs_threads_after_fork();
        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
                struct clock_segment *segment = segment_new();
                pid_t child = child_with_ticker(segment);
                struct ticker *next = NULL;

                cr_assert(kill(child, signals[i]) == 0);
                UNTIL(!clock_owner_live(owner_of(segment)));
                cr_assert_eq(owner_of(segment) & CLOCK_OWNER_DIED, CLOCK_OWNER_DIED);
                cr_assert(waitpid(child, NULL, 0) == child);

                /* the next daemon's: INVALID before it is live */
                cr_assert_eq(ticker_new(&next, segment, &wall_clock_kernel), 0);
                cr_assert(clock_owner_live(owner_of(segment)));
                cr_assert_eq(now_of(segment), CLOCK_NOW_INVALID);
                ticker_free(next);
        }
}

/* After SIGSTOP it goes on with the present tick and counts what it skipped. */
Test(ticker, a_stopped_ticker_jumps_to_the_present) {
        struct clock_segment *segment;
        uint64_t stopped;
        pid_t child;
        int status;

        needs_threads_after_fork();
        segment = segment_new();
        child = child_with_ticker(segment);

        cr_assert(kill(child, SIGSTOP) == 0);
        cr_assert(waitpid(child, &status, WUNTRACED) == child);
        stopped = now_of(segment);
        cr_assert(clock_owner_live(owner_of(segment)));
        UNTIL(true_tick(segment) > stopped + 50);
        cr_assert_eq(now_of(segment), stopped);
        cr_assert(kill(child, SIGCONT) == 0);
        UNTIL(now_of(segment) > stopped + 50);
        cr_assert(now_of(segment) <= true_tick(segment));
        cr_assert(kill(child, SIGKILL) == 0);
        cr_assert(waitpid(child, NULL, 0) == child);
}

/* The latch is looked at anew each tick. A line that falls back (which the
 * guard never makes) holds `now` where it was. Red when advance() lets it fall
 * or when the line is read once. */
Test(ticker, follows_a_new_line_but_never_downward) {
        struct clock_segment *segment = segment_new();
        struct ticker *ticker = NULL;
        struct clock_line line;
        uint64_t high, late;

        cr_assert_eq(ticker_new(&ticker, segment, &wall_clock_kernel), 0);
        ticker_set_running(ticker, true);
        UNTIL(ticker_count(ticker) > 3);
        late = ticker_late_count(ticker);
        clock_latch_begin(segment, &line);
        line.guarded_base_ns += 100000000 * NS_PER_TICK;
        clock_latch_write(segment, &line);
        UNTIL(now_of(segment) > 100000000);
        /* a step is no lateness */
        cr_assert(ticker_late_count(ticker) - late < 100000000);

        line.guarded_base_ns -= 50 * NS_PER_TICK;
        clock_latch_write(segment, &line);
        high = now_of(segment);
        while (true_tick(segment) < high + 20)
                cr_assert(now_of(segment) >= high);
        UNTIL(now_of(segment) >= high + 20);
        ticker_free(ticker);
}

/* Before the epoch there is no tick. */
Test(ticker, before_the_epoch_now_is_invalid) {
        struct clock_segment *segment = segment_new();
        struct ticker *ticker = NULL;
        struct clock_line line;

        clock_latch_begin(segment, &line);
        line.guarded_base_ns = -50 * NS_PER_TICK;
        line.boot_base_ns = until_ns(CLOCK_BOOTTIME);
        clock_latch_write(segment, &line);
        cr_assert_eq(ticker_new(&ticker, segment, &wall_clock_kernel), 0);
        ticker_set_running(ticker, true);
        UNTIL(now_of(segment) != CLOCK_NOW_INVALID);
        cr_assert(now_of(segment) <= true_tick(segment));
        cr_assert(until_ns(CLOCK_BOOTTIME) >= line.boot_base_ns + 50 * NS_PER_TICK);
        ticker_free(ticker);
}

static _Atomic int64_t wall_moved_ns;
static _Atomic unsigned wall_looks;

/* This machine's clocks, but for a wall clock that the test sets. */
static int64_t moved_clock_ns(clockid_t clock) {
        int64_t ns = until_ns(clock);

        if (clock != CLOCK_REALTIME)
                return ns;
        /* relaxed: each is a number of its own */
        atomic_fetch_add_explicit(&wall_looks, 1, memory_order_relaxed);
        return ns + atomic_load_explicit(&wall_moved_ns, memory_order_relaxed);
}

static void move_wall(int64_t ns) {
        atomic_fetch_add_explicit(&wall_moved_ns, ns, memory_order_relaxed);
}

static unsigned looks(void) {
        return atomic_load_explicit(&wall_looks, memory_order_relaxed);
}

static bool readable(int fd) {
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

        return poll(&poll_fd, 1, 0) == 1;
}

/* Whatever the kernel tells. Red without look_for_step(), or without its write. */
Test(ticker, a_step_of_the_wall_clock_is_noticed_while_it_runs) {
        const struct wall_clock_calls wall = { .clock_ns = moved_clock_ns };
        const int64_t steps[] = { 5000000, -5000000, INT64_C(86400000000000),
                                  -INT64_C(86400000000000) };
        struct clock_segment *segment = segment_new();
        struct ticker *ticker = NULL;

        cr_assert_eq(ticker_new(&ticker, segment, &wall), 0);
        ticker_set_running(ticker, true);
        UNTIL(ticker_count(ticker) > 20);
        cr_assert_not(ticker_stepped(ticker));
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
                unsigned before;

                move_wall(steps[i]);
                UNTIL(readable(ticker_step_fd(ticker)));
                cr_assert(ticker_stepped(ticker));
                before = looks();
                UNTIL(looks() > before + 10);
                cr_assert_not(readable(ticker_step_fd(ticker)));
                cr_assert_not(ticker_stepped(ticker), "told twice");
        }
        ticker_free(ticker);
}

/* Idle it looks at nothing; what it missed is noticed when ticks begin. Red when
 * the watch starts anew with each run. */
Test(ticker, a_step_while_idle_is_noticed_at_the_first_tick) {
        const struct wall_clock_calls wall = { .clock_ns = moved_clock_ns };
        struct clock_segment *segment = segment_new();
        struct ticker *ticker = NULL;
        unsigned before;
        uint64_t tick;

        cr_assert_eq(ticker_new(&ticker, segment, &wall), 0);
        before = looks();
        move_wall(-50000000);
        tick = true_tick(segment);
        UNTIL(true_tick(segment) >= tick + 50);
        cr_assert_eq(looks(), before);
        cr_assert_not(ticker_stepped(ticker));
        ticker_set_running(ticker, true);
        UNTIL(readable(ticker_step_fd(ticker)));
        ticker_free(ticker);
}

/* The watchdog's question wakes it once, ticking or not, and its command stands.
 * Red when run_idle() waits without take_command(), when ticker_ask() loses the
 * command, or when the question has a word of its own beside the futex's. */
Test(ticker, answers_the_watchdog_running_and_idle) {
        struct clock_segment *segment = segment_new();
        struct ticker *ticker = NULL;

        cr_assert_eq(ticker_new(&ticker, segment, &wall_clock_kernel), 0);
        for (uint32_t question = 1; question <= 2000; question++) {
                bool running = question % 100 < 3;

                ticker_set_running(ticker, running);
                ticker_ask(ticker, question);
                UNTIL(ticker_answered(ticker, question));
                cr_assert_not(ticker_answered(ticker, question + 1));
                cr_assert_eq(ticker_running(ticker), running);
        }
        /* more than its word has room for */
        ticker_ask(ticker, UINT32_MAX);
        UNTIL(ticker_answered(ticker, UINT32_MAX));
        ticker_ask(ticker, 0);
        UNTIL(ticker_answered(ticker, 0));
        ticker_set_running(ticker, false);
        UNTIL(now_of(segment) == CLOCK_NOW_INVALID);
        ticker_free(ticker);
}

Test(ticker, free_takes_null) {
        cr_assert_null(ticker_free(NULL));
}
