/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/clock/wall_clock.h"
#include "tests/support/capture.h"
#include "tests/support/random.h"
#include "tests/support/until.h"
#include "tests/unit/support/fake_clocks.h"

#define MS(n) ((int64_t)(n)*1000000)

static struct wall_clock *clock_of(const struct wall_clock_calls *calls) {
        struct wall_clock *clock = NULL;

        cr_assert_eq(wall_clock_new(&clock, calls), 0);
        cr_assert_not_null(clock);
        return clock;
}

static int64_t offset_of(const struct guard_reading *reading) {
        return reading->realtime_ns - reading->boottime_ns;
}

static int64_t distance(int64_t a, int64_t b) {
        return a > b ? a - b : b - a;
}

/* Preemption is never taken for a step: one undisturbed bracket of five is enough.
 * Red when bracket_narrow() reads once. */
Test(wall_clock, preemption_between_the_clocks_is_read_again) {
        struct wall_clock *clock;
        uint64_t seed = 1;

        fake_clocks_start();
        clock = clock_of(&fake_clocks_calls);
        for (int round = 0; round < 1000; round++) {
                uint64_t mask = random_next(&seed) & ((1 << 20) - 1);
                struct guard_reading reading;
                int64_t slept;

                /* one of the brackets of four readings stays whole */
                mask &= ~(UINT64_C(14) << 4 * random_below(&seed, 5));
                fake_clocks_preempt(mask, MS(1 + random_below(&seed, 5000)));
                cr_assert(wall_clock_take(clock, true, &reading, &slept) < WALL_CLOCK_NARROW_NS);
                cr_assert(distance(offset_of(&reading), fake_clocks.offset_ns) <
                          WALL_CLOCK_NARROW_NS);
                cr_assert_eq(slept, 0);
        }
        wall_clock_free(clock);
}

/* When nothing else is to be had it says how wrong it may be, and is not more so.
 * Red when bracket_narrow() keeps the last instead of the narrowest. */
Test(wall_clock, a_torn_reading_says_how_far_off_it_may_be) {
        struct guard_reading reading;
        struct wall_clock *clock;
        int64_t slept, width;

        fake_clocks_start();
        clock = clock_of(&fake_clocks_calls);
        /* the first of the five brackets once, the others thrice */
        fake_clocks_preempt(0xeeee2, MS(300));
        width = wall_clock_take(clock, true, &reading, &slept);
        cr_assert(width >= MS(300) && width < MS(400));
        cr_assert(distance(offset_of(&reading), fake_clocks.offset_ns) <= width / 2 + 1);
        cr_assert_eq(slept, 0);
        /* not for ever: a look costs twenty readings at most */
        cr_assert(fake_clocks.readings <= 20);
        wall_clock_free(clock);
}

/* An undisturbed look costs four readings. */
Test(wall_clock, a_look_is_cheap) {
        struct guard_reading reading;
        struct wall_clock *clock;
        int64_t slept;

        fake_clocks_start();
        clock = clock_of(&fake_clocks_calls);
        fake_clocks_preempt(0, 0);
        wall_clock_take(clock, true, &reading, &slept);
        cr_assert_eq(fake_clocks.readings, 4);
        wall_clock_free(clock);
}

/* Red without REALTIME in wall_clock_take(). */
Test(wall_clock, steps_are_seen_as_far_as_they_go) {
        const int64_t steps[] = { MS(1), -MS(1), MS(86400000), -MS(86400000),
                                  INT64_C(315360000) * 1000000000, -INT64_C(630720000) * 1000000000 };
        struct wall_clock *clock;

        fake_clocks_start();
        clock = clock_of(&fake_clocks_calls);
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
                struct guard_reading before, after;
                int64_t slept;

                wall_clock_take(clock, true, &before, &slept);
                fake_clocks.offset_ns += steps[i];
                wall_clock_take(clock, true, &after, &slept);
                cr_assert(distance(offset_of(&after) - offset_of(&before), steps[i]) < 1000);
                cr_assert_eq(slept, 0, "a step is no suspend");
        }
        wall_clock_free(clock);
}

/* Each suspend is told once, and only what is one. Red when the last look is not
 * remembered, or without the bracket's part in suspended(). */
Test(wall_clock, a_suspend_is_told_once) {
        struct guard_reading reading;
        struct wall_clock *clock;
        int64_t slept;

        fake_clocks_start();
        /* a first look that was torn apart tells of no suspend later */
        fake_clocks_preempt(0xfffff, MS(40));
        clock = clock_of(&fake_clocks_calls);
        fake_clocks_preempt(0, 0);
        wall_clock_take(clock, true, &reading, &slept);
        cr_assert_eq(slept, 0);
        for (int64_t hours = 1; hours < 10; hours++) {
                int64_t expected = hours * MS(3600000);

                fake_clocks.asleep_ns += expected;
                wall_clock_take(clock, true, &reading, &slept);
                cr_assert(distance(slept, expected) < WALL_CLOCK_NARROW_NS);
                wall_clock_take(clock, true, &reading, &slept);
                cr_assert_eq(slept, 0);
        }
        fake_clocks.asleep_ns += MS(1) / 2;
        wall_clock_take(clock, true, &reading, &slept);
        cr_assert_eq(slept, 0);
        fake_clocks_preempt(FAKE_ALL, MS(5000));
        wall_clock_take(clock, true, &reading, &slept);
        cr_assert_eq(slept, 0);
        wall_clock_free(clock);
}

/* Red when either is not looked at. */
Test(wall_clock, synchronised_means_no_error_and_not_unsync) {
        const struct {
                int state, status;
                bool expected;
        } table[] = {
                { TIME_OK, 0, true },
                { TIME_OK, STA_PLL | STA_NANO, true },
                { TIME_INS, 0, true },
                { TIME_WAIT, 0, true },
                { TIME_OK, STA_UNSYNC, false },
                { TIME_ERROR, STA_UNSYNC, false },
                { TIME_ERROR, 0, false },
                { -EPERM, 0, false },
                { -EPERM, 0, false },
        };
        struct wall_clock *clock;
        const char *text;

        fake_clocks_start();
        clock = clock_of(&fake_clocks_calls);
        capture_begin();
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                struct guard_reading reading;
                int64_t slept;

                fake_clocks.adjtimex_state = table[i].state;
                fake_clocks.adjtimex_status = table[i].status;
                wall_clock_take(clock, true, &reading, &slept);
                cr_assert_eq(reading.synchronised, table[i].expected, "row %zu", i);
        }
        /* what cannot be known is said, once */
        text = capture_take();
        cr_assert_contains(text, "event=synchronised");
        cr_assert_null(strstr(strstr(text, "event=synchronised") + 1, "event=synchronised"));
        wall_clock_free(clock);
}

/* What a clock can say at most, or a faked one. */
Test(wall_clock, clocks_at_their_ends_do_not_overflow) {
        struct wall_clock_offset offset = wall_clock_offset_of(100, INT64_MIN, 200);

        cr_assert_eq(offset.offset_ns, INT64_MIN);
        cr_assert_eq(offset.width_ns, 100);
        offset = wall_clock_offset_of(INT64_MIN, INT64_MAX, INT64_MAX);
        cr_assert_eq(offset.width_ns, INT64_MAX);
        cr_assert_eq(offset.offset_ns, INT64_MAX);
        /* BOOTTIME never falls; whoever fakes it gets no negative width */
        offset = wall_clock_offset_of(200, 1000, 100);
        cr_assert_eq(offset.width_ns, 0);
        cr_assert_eq(offset.offset_ns, 800);
}

/* Armed again before wall_clock_stepped() returns, so before the caller reads the
 * clocks: a step cannot fall between. Red without the arm() there. */
Test(wall_clock, a_step_is_told_once_and_the_timer_armed_again) {
        const int drains[] = { -ECANCELED, -EAGAIN, 0 };
        struct wall_clock *clock;

        fake_clocks_start();
        clock = clock_of(&fake_clocks_calls);
        cr_assert_str_eq(fake_clocks.log, "oa");
        cr_assert_not(wall_clock_stepped(clock));
        cr_assert_str_eq(fake_clocks.log, "oad");
        fake_clocks.drains = drains;
        fake_clocks.n_drains = 3;
        cr_assert(wall_clock_stepped(clock));
        cr_assert_str_eq(fake_clocks.log, "oadda");
        cr_assert_not(wall_clock_stepped(clock));
        /* the end of time is treated as a step */
        cr_assert(wall_clock_stepped(clock));
        cr_assert_str_eq(fake_clocks.log, "oaddadda");
        wall_clock_free(clock);
}

/* The kernel reports a step during the arming by ECANCELED. Red when that counts
 * as a failure, or when it goes on for ever. */
Test(wall_clock, a_step_while_arming_is_not_lost) {
        const int arms[] = { -ECANCELED, 0, -ECANCELED, 0,
                             -ECANCELED, -ECANCELED, -ECANCELED, -ECANCELED, -ECANCELED };
        const int drains[] = { -ECANCELED, -ECANCELED };
        struct wall_clock *clock;

        fake_clocks_start();
        fake_clocks.arms = arms;
        fake_clocks.n_arms = 9;
        fake_clocks.drains = drains;
        fake_clocks.n_drains = 2;
        clock = clock_of(&fake_clocks_calls);
        cr_assert_str_eq(fake_clocks.log, "oaa");
        cr_assert(wall_clock_stepped(clock));
        cr_assert_str_eq(fake_clocks.log, "oaadaa");
        cr_assert(wall_clock_stepped(clock));
        cr_assert_str_eq(fake_clocks.log, "oaadaadaaaa");
        cr_assert(wall_clock_step_fd(clock) >= 0);
        wall_clock_free(clock);
}

/* Red when wall_clock_new() fails, or is silent. */
Test(wall_clock, without_the_timer_it_says_so_and_works_on) {
        const int refused[] = { -EINVAL };
        struct guard_reading reading;
        struct wall_clock *clock;
        int64_t slept;

        capture_begin();
        for (int round = 0; round < 2; round++) {
                fake_clocks_start();
                fake_clocks.timer_open_error = round == 0 ? -ENOSYS : 0;
                fake_clocks.arms = refused;
                fake_clocks.n_arms = 1;
                clock = clock_of(&fake_clocks_calls);
                cr_assert_contains(capture_take(), "event=steps");
                cr_assert_eq(wall_clock_step_fd(clock), -1);
                cr_assert_not(wall_clock_stepped(clock));
                cr_assert_eq(wall_clock_take(clock, true, &reading, &slept), 3 * FAKE_READING_NS);
                wall_clock_free(clock);
        }
}

/* A timer that cannot be armed any more is given up, and its step still told. */
Test(wall_clock, a_timer_lost_later_is_said) {
        const int arms[] = { 0, -EINVAL }, drains[] = { -ECANCELED };
        struct wall_clock *clock;

        capture_begin();
        fake_clocks_start();
        fake_clocks.arms = arms;
        fake_clocks.n_arms = 2;
        fake_clocks.drains = drains;
        fake_clocks.n_drains = 1;
        clock = clock_of(&fake_clocks_calls);
        cr_assert_str_eq(capture_take(), "");
        cr_assert(wall_clock_stepped(clock));
        cr_assert_contains(capture_take(), "event=steps");
        cr_assert_eq(wall_clock_step_fd(clock), -1);
        cr_assert_not(wall_clock_stepped(clock));
        wall_clock_free(clock);
}

/* The kernel takes the timer, which is quiet, and gives plausible times. */
Test(wall_clock, of_this_kernel) {
        struct wall_clock *clock = clock_of(&wall_clock_kernel);
        struct pollfd poll_fd = { .fd = wall_clock_step_fd(clock), .events = POLLIN };
        struct guard_reading reading;
        int64_t before = until_ns(CLOCK_BOOTTIME), slept;

        cr_assert(poll_fd.fd >= 0);
        cr_assert(fcntl(poll_fd.fd, F_GETFD) & FD_CLOEXEC);
        cr_assert(wall_clock_take(clock, true, &reading, &slept) >= 0);
        cr_assert(reading.boottime_ns >= before && reading.boottime_ns <= until_ns(CLOCK_BOOTTIME));
        cr_assert(distance(reading.realtime_ns, until_ns(CLOCK_REALTIME)) < MS(60000));
        /* nobody sets this machine's clock: neither at once nor when drained */
        cr_assert_eq(poll(&poll_fd, 1, 0), 0);
        cr_assert_eq(wall_clock_kernel.timer_drain(poll_fd.fd), -EAGAIN);
        cr_assert_eq(wall_clock_kernel.timer_arm(poll_fd.fd), 0);
        cr_assert_not(wall_clock_stepped(clock));
        wall_clock_free(clock);
        cr_assert_eq(fcntl(poll_fd.fd, F_GETFD), -1, "the timer was left open");
}

Test(wall_clock, free_takes_null) {
        cr_assert_null(wall_clock_free(NULL));
}
