/* SPDX-License-Identifier: MIT */
/* After SIGCONT the log says for how long the daemon did not run. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/private_daemon.h"

TestSuite(paused, .timeout = 120);

static struct private_daemon d;

static bool tells(void *context) {
        (void)context;
        return log_says(&d, "event=resumed)");
}

static void stop_for(int ms) {
        private_daemon_signal(&d, SIGSTOP, false);
        poll(NULL, 0, ms); /* how long is what the test is about */
        private_daemon_signal(&d, SIGCONT, false);
}

/* Until it is told: where an event ends the wait at the same moment, the stop is taken for
 * a longer wait. Returns the longest it can have been. */
static double stop_until_told(int ms) {
        int64_t begin_ns;

        for (int i = 0; i < 10; i++) {
                begin_ns = test_monotonic_ns();
                stop_for(ms);
                if (wait_until(tells, NULL, 5000))
                        break;
        }
        return (double)(test_monotonic_ns() - begin_ns) / 1e9;
}

/* The two durations of the event, in seconds. */
static void read_durations(double *ret_least, double *ret_most) {
        char *log, *line, unit[8];

        log = private_daemon_log(&d);
        line = strstr(log, "did not run for ");
        cr_assert_not_null(line, "%s", log);
        *ret_least = 0;
        if (sscanf(line, "did not run for up to %lf s", ret_most) == 1)
                snprintf(unit, sizeof(unit), "s");
        else
                cr_assert_eq(sscanf(line, "did not run for %lf %7[a-z] to %lf s", ret_least, unit,
                                    ret_most), 3, "%s", line);
        if (strcmp(unit, "ms") == 0)
                *ret_least /= 1000;
        cr_expect_not_null(strstr(line, "was stopped"), "%s", line);
        free(log);
}

/* Without a client no timer runs, and only the most is known. Red when event_dispatch()
 * takes an interrupted wait for nothing. */
Test(paused, idle) {
        double least, most, longest;
        uint64_t id;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0); /* its loop runs */
        longest = stop_until_told(1500);
        read_durations(&least, &most);
        cr_expect_leq(least, longest);
        cr_expect_geq(most, 1.4);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Its timer runs. Red when what it did not come late for counts. */
Test(paused, with_a_client) {
        double least, most, longest;
        uint64_t id;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        for (int i = 0; i < 200; i++, poll(NULL, 0, 1))
                cr_assert_eq(sfshm_next(s, &id), 0);
        longest = stop_until_told(2500);
        read_durations(&least, &most);
        cr_expect_leq(least, longest + 0.1);
        cr_expect_leq(least, most);
        cr_expect_geq(most, 2.4);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Red when a stop for a moment is told as well, as of a debugger that attaches. */
Test(paused, a_moment_is_not_told) {
        private_daemon_prepare(&d);
        private_daemon_start(&d);
        for (int i = 0; i < 3; i++)
                stop_for(10);
        private_daemon_stop(&d);
        cr_expect_not(log_says(&d, "event=resumed"));
        private_daemon_remove(&d);
}
