/* SPDX-License-Identifier: MIT */
/* Time is the test's; the messages are real. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/host/watchdog.h"
#include "tests/support/capture.h"
#include "tests/support/notify_socket.h"

#define MS INT64_C(1000000)
#define PERIOD (600 * MS)

/* A thread that answers when it is told to. */
struct fake {
        uint32_t asked, answer;
        unsigned wakeups;
};

static struct fake fakes[3];
static struct watchdog watchdog;
static int manager;

static void ask(void *context, uint32_t question) {
        struct fake *fake = context;

        fake->asked = question;
        fake->wakeups++;
}

static bool answered(void *context, uint32_t question) {
        const struct fake *fake = context;

        return fake->answer == question;
}

static void answer(struct fake *fake) {
        fake->answer = fake->asked;
}

static void answer_all(void) {
        for (size_t i = 0; i < 3; i++)
                answer(&fakes[i]);
}

static void begin(void) {
        static const char *const names[] = { "one", "two", "three" };

        memset(fakes, 0, sizeof(fakes));
        watchdog_init(&watchdog);
        for (size_t i = 0; i < 3; i++)
                watchdog_add(&watchdog, (struct watchdog_thread){ names[i], &fakes[i], ask,
                                                                  answered });
}

static void setup(void) {
        manager = notify_socket_new();
        setenv("WATCHDOG_USEC", "600000", 1);
        unsetenv("WATCHDOG_PID");
        begin();
}

TestSuite(watchdog, .init = setup);

/* Red when the first beat asks nobody, or a beat comes before a third is over,
 * or asks without sending. */
Test(watchdog, a_beat_comes_after_a_third_to_half_of_the_period) {
        cr_assert_eq(watchdog_run(&watchdog, 1000 * MS), 1300 * MS);
        cr_assert_eq(notify_socket_pings(manager), 1);
        answer_all();
        cr_assert_eq(watchdog_run(&watchdog, 1199 * MS), 1300 * MS);
        cr_assert_eq(notify_socket_pings(manager), 0);
        cr_assert_eq(watchdog_run(&watchdog, 1200 * MS), 1500 * MS);
        cr_assert_eq(notify_socket_pings(manager), 1);
        answer_all();
        cr_assert_eq(watchdog_run(&watchdog, 1500 * MS), 1800 * MS);
        cr_assert_eq(notify_socket_pings(manager), 1);
        for (size_t i = 0; i < 3; i++)
                cr_expect_eq(fakes[i].wakeups, 3);
}

/* Each thread by itself. Red when all_answered() looks at fewer than all. */
Test(watchdog, no_ping_while_one_thread_is_silent) {
        for (size_t silent = 0; silent < 3; silent++) {
                int64_t now_ns = 1000 * MS, killed_ns;

                begin();
                now_ns = watchdog_run(&watchdog, now_ns);
                cr_assert_eq(notify_socket_pings(manager), 1);
                killed_ns = now_ns + 10 * PERIOD;
                for (size_t i = 0; i < 3; i++)
                        if (i != silent)
                                answer(&fakes[i]);
                while (now_ns < killed_ns)
                        now_ns = watchdog_run(&watchdog, now_ns);
                cr_assert_eq(notify_socket_pings(manager), 0, "without thread %zu", silent);
                cr_assert_eq(fakes[silent].wakeups, 1);
                answer(&fakes[silent]);
                watchdog_run(&watchdog, now_ns);
                cr_assert_eq(notify_socket_pings(manager), 1);
        }
}

/* Before the manager's patience is over there are three retries. */
Test(watchdog, a_late_answer_is_soon_enough) {
        int64_t now_ns = watchdog_run(&watchdog, 1000 * MS);

        notify_socket_pings(manager);
        for (int i = 0; i < 3; i++)
                now_ns = watchdog_run(&watchdog, now_ns);
        cr_assert_eq(notify_socket_pings(manager), 0);
        answer_all();
        cr_assert_lt(now_ns, 1000 * MS + PERIOD);
        cr_assert_eq(watchdog_run(&watchdog, now_ns), now_ns + PERIOD / 2);
        cr_assert_eq(notify_socket_pings(manager), 1);
}

/* Once, with its name, and not at the first miss. */
Test(watchdog, a_silent_thread_is_named) {
        int64_t now_ns = watchdog_run(&watchdog, 1000 * MS);
        const char *text;

        capture_begin();
        answer(&fakes[0]);
        answer(&fakes[2]);
        now_ns = watchdog_run(&watchdog, now_ns);
        cr_assert_str_empty(capture_take());
        capture_begin();
        for (int i = 0; i < 5; i++)
                now_ns = watchdog_run(&watchdog, now_ns);
        text = capture_take();
        cr_assert_contains(text, "the thread two has not answered for 375 ms");
        cr_assert_null(strstr(text, "thread one"));
        cr_assert_null(strstr(text, "thread three"));
        cr_assert_null(strstr(strstr(text, "has not") + 1, "has not"), "said twice");
        capture_begin();
        answer(&fakes[1]);
        watchdog_run(&watchdog, now_ns);
        cr_assert_contains(capture_take(), "the thread two answers again");
}

/* Red when watchdog_init() leaves a deadline, or a beat comes without a period. */
Test(watchdog, without_the_variable_nothing_happens) {
        char pid[32];

        unsetenv("WATCHDOG_USEC");
        begin();
        cr_assert_eq(watchdog_run(&watchdog, 1000 * MS), INT64_MAX);
        setenv("WATCHDOG_USEC", "no number", 1);
        begin();
        cr_assert_eq(watchdog_run(&watchdog, 1000 * MS), INT64_MAX);
        setenv("WATCHDOG_USEC", "600000", 1);
        snprintf(pid, sizeof(pid), "%d", (int)getppid());
        setenv("WATCHDOG_PID", pid, 1);
        begin();
        cr_assert_eq(watchdog_run(&watchdog, 1000 * MS), INT64_MAX, "it is meant for another");
        cr_assert_eq(notify_socket_pings(manager), 0);
        cr_assert_eq(fakes[0].wakeups, 0);
        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        setenv("WATCHDOG_PID", pid, 1);
        begin();
        cr_assert_eq(watchdog_run(&watchdog, 1000 * MS), 1300 * MS);
}

/* Neither spins nor overflows. */
Test(watchdog, a_period_out_of_bounds_is_brought_in) {
        setenv("WATCHDOG_USEC", "1", 1);
        begin();
        cr_assert_eq(watchdog_run(&watchdog, 1000 * MS), 1004 * MS);
        setenv("WATCHDOG_USEC", "18446744073709551614", 1);
        begin();
        cr_assert_eq(watchdog_run(&watchdog, 0), INT64_C(43200) * 1000 * MS);
}

/* 2^32 beats are centuries, but the numbers wrap all the same. */
Test(watchdog, questions_wrap) {
        watchdog.question = UINT32_MAX;
        for (size_t i = 0; i < 3; i++)
                fakes[i].answer = UINT32_MAX;
        watchdog_run(&watchdog, 1000 * MS);
        answer_all();
        watchdog_run(&watchdog, 2000 * MS);
        cr_assert_eq(notify_socket_pings(manager), 2);
}
