/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "daemon/util/log.h"

#define SECOND INT64_C(1000000000)

/* Red when a line is let through within the second, or what was suppressed is not told. */
Test(log_ratelimit, one_line_a_second_tells_of_the_suppressed_ones) {
        struct log_ratelimit ratelimit = { .open_ns = 0 };
        char more[LOG_RATELIMIT_TEXT] = "untouched";

        cr_assert(log_ratelimit_pass(&ratelimit, 5 * SECOND, more));
        cr_assert_str_eq(more, "");
        cr_assert_not(log_ratelimit_pass(&ratelimit, 5 * SECOND, more));
        cr_assert_not(log_ratelimit_pass(&ratelimit, 6 * SECOND - 1, more));
        cr_assert(log_ratelimit_pass(&ratelimit, 6 * SECOND, more));
        cr_assert_str_eq(more, " (2 more before)");
        cr_assert(log_ratelimit_pass(&ratelimit, 7 * SECOND, more));
        cr_assert_str_eq(more, "");
}
