/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <string.h>

#include "daemon/util/log.h"
#include "tests/support/capture.h"

#define SECOND INT64_C(1000000000)

/* Red when a line is let through within the second, or what was suppressed is not told. */
Test(log_ratelimit, one_line_a_second_tells_of_the_suppressed_ones) {
        struct log_ratelimit ratelimit = { .burst = 1 };
        uint64_t more = 77;

        cr_assert(log_ratelimit_pass(&ratelimit, 5 * SECOND, &more));
        cr_assert_eq(more, 0);
        cr_assert_not(log_ratelimit_pass(&ratelimit, 5 * SECOND, &more));
        cr_assert_not(log_ratelimit_pass(&ratelimit, 6 * SECOND - 1, &more));
        cr_assert(log_ratelimit_pass(&ratelimit, 6 * SECOND, &more));
        cr_assert_eq(more, 2);
        cr_assert(log_ratelimit_pass(&ratelimit, 7 * SECOND, &more));
        cr_assert_eq(more, 0);
}

/* Red when a burst is not refilled by a second's line each second. */
Test(log_ratelimit, a_burst_is_saved_up_and_no_more_than_that) {
        struct log_ratelimit ratelimit = { .burst = 3 };
        int64_t now_ns = 100 * SECOND;
        uint64_t more;

        for (int round = 0; round < 2; round++, now_ns += 1000 * SECOND) {
                for (int i = 0; i < 3; i++)
                        cr_assert(log_ratelimit_pass(&ratelimit, now_ns + i, &more));
                cr_assert_not(log_ratelimit_pass(&ratelimit, now_ns + SECOND - 1, &more));
                cr_assert(log_ratelimit_pass(&ratelimit, now_ns + SECOND, &more));
                cr_assert_eq(more, 1);
                cr_assert_not(log_ratelimit_pass(&ratelimit, now_ns + SECOND, &more));
                cr_assert(log_ratelimit_pass(&ratelimit, now_ns + 3 * SECOND, &more));
                cr_assert(log_ratelimit_pass(&ratelimit, now_ns + 3 * SECOND, &more));
                cr_assert_not(log_ratelimit_pass(&ratelimit, now_ns + 3 * SECOND, &more));
        }
}

static unsigned count(const char *text, const char *part) {
        unsigned n = 0;

        while ((text = strstr(text, part)) != NULL) {
                text += strlen(part);
                n++;
        }
        return n;
}

/* Red when log_put() does not ask the limit: whatever the caller is, it has one. */
Test(log_ratelimit, every_call_has_a_limit_of_its_own) {
        unsigned events, failures;
        const char *text;

        capture_begin();
        cr_assert_eq(log_start(), 0);
        for (int i = 0; i < 100; i++) {
                log_event(EVENT_STOP, "an event");
                cr_assert_eq(log_failure(5, EVENT_STATE, "a failure"), -5);
                log_event_throttled(EVENT_REFUSED, "a stranger's");
        }
        log_event(EVENT_START, "from elsewhere");
        log_stop();
        text = capture_take();
        events = count(text, "event=stop");
        failures = count(text, "event=state");
        cr_expect(events >= LOG_BURST && events < 90, "%u lines", events);
        cr_expect(failures >= LOG_BURST && failures < 90, "%u lines", failures);
        cr_expect_lt(count(text, "event=refused"), 20);
        cr_expect_eq(count(text, "event=start"), 1);
}

/* In a command of the operator no line is left out. Red when log_at_once() asks as well. */
Test(log_ratelimit, commands_have_none) {
        capture_begin();
        for (int i = 0; i < 100; i++)
                log_event_throttled(EVENT_STOP, "an event");
        cr_expect_eq(count(capture_take(), "event=stop"), 100);
}
