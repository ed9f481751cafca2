/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "daemon/host/pause.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define BEGIN (1000 * SECOND)

static struct pause at(int64_t due_ns) {
        struct pause pause = { 0 };
        struct pause_length length;

        cr_assert_not(pause_look(&pause, BEGIN, BEGIN, due_ns, false, &length));
        return pause;
}

/* Red when the first look compares with nothing. */
Test(pause, the_first_look_finds_nothing) {
        struct pause pause = { 0 };
        struct pause_length length;

        cr_assert_not(pause_look(&pause, BEGIN, BEGIN, BEGIN, true, &length));
}

/* Red when a wait itself counts, however long. */
Test(pause, a_wait_that_ends_in_time_is_none) {
        struct pause pause = at(BEGIN + 60 * SECOND), open = at(INT64_MAX);
        struct pause_length length;

        cr_assert_not(pause_look(&pause, BEGIN + 60 * SECOND + 999 * MS,
                                 BEGIN + 60 * SECOND + 999 * MS, 0, false, &length));
        cr_assert_not(pause_look(&open, BEGIN + 3600 * SECOND, BEGIN + 3600 * SECOND, 0, false,
                                 &length));
}

Test(pause, a_late_timer_tells_both_bounds) {
        struct pause pause = at(BEGIN + 2 * SECOND);
        struct pause_length length;

        cr_assert(pause_look(&pause, BEGIN + 9 * SECOND, BEGIN + 9 * SECOND, 0, false, &length));
        cr_expect_eq(length.least_ns, 7 * SECOND);
        cr_expect_eq(length.most_ns, 9 * SECOND);
}

/* Without a timer only the most is known, and only of a stop. */
Test(pause, a_stop_without_a_timer) {
        struct pause pause = at(INT64_MAX), brief = at(INT64_MAX);
        struct pause_length length;

        cr_assert(pause_look(&pause, BEGIN + 5 * SECOND, BEGIN + 5 * SECOND, 0, true, &length));
        cr_expect_eq(length.least_ns, 0);
        cr_expect_eq(length.most_ns, 5 * SECOND);
        cr_expect_not(pause_look(&brief, BEGIN + 999 * MS, BEGIN + 999 * MS, 0, true, &length));
}

/* MONOTONIC stands still meanwhile. Red when it is not subtracted. */
Test(pause, a_suspend_is_none) {
        struct pause pause = at(BEGIN + 2 * SECOND), both = at(BEGIN + 2 * SECOND);
        struct pause_length length;

        cr_assert_not(pause_look(&pause, BEGIN + 3600 * SECOND, BEGIN + 2 * SECOND, 0, false,
                                 &length));
        cr_assert(pause_look(&both, BEGIN + 3600 * SECOND, BEGIN + 6 * SECOND, 0, false,
                             &length));
        cr_expect_eq(length.least_ns, 4 * SECOND);
        cr_expect_eq(length.most_ns, 6 * SECOND);
}

/* Between two waits nothing takes long. */
Test(pause, a_stop_while_it_works) {
        struct pause pause = at(BEGIN);
        struct pause_length length;

        cr_assert(pause_look(&pause, BEGIN + 3 * SECOND, BEGIN + 3 * SECOND, INT64_MAX, false,
                             &length));
        cr_expect_eq(length.least_ns, 3 * SECOND);
        cr_expect_eq(length.most_ns, 3 * SECOND);
}
