/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/clock/wall_clock.h"
#include "tests/unit/capture.h"
#include "tests/unit/fake_clocks.h"
#include "tests/unit/random.h"
#include "tests/unit/until.h"

#define MS(n) ((int64_t)(n)*1000000)

static struct readings *readings_of(const struct readings_calls *calls) {
        struct readings *readings = NULL;

        cr_assert_eq(readings_new(&readings, calls), 0);
        cr_assert_not_null(readings);
        return readings;
}

static int64_t offset_of(const struct guard_reading *reading) {
        return reading->realtime_ns - reading->boottime_ns;
}

static int64_t distance(int64_t a, int64_t b) {
        return a > b ? a - b : b - a;
}

/* Preemption is never taken for a step: one undisturbed bracket of five is enough.
 * Red when bracket_narrow() reads once. */
Test(readings, preemption_between_the_clocks_is_read_again) {
        struct readings *readings;
        uint64_t seed = 1;

        fake_start();
        readings = readings_of(&fake_calls);
        for (int round = 0; round < 1000; round++) {
                uint64_t mask = random_next(&seed) & ((1 << 20) - 1);
                struct guard_reading reading;
                int64_t slept;

                /* one of the brackets of four readings stays whole */
                mask &= ~(UINT64_C(14) << 4 * random_below(&seed, 5));
                fake_preempt(mask, MS(1 + random_below(&seed, 5000)));
                cr_assert(readings_take(readings, true, &reading, &slept) < READINGS_NARROW_NS);
                cr_assert(distance(offset_of(&reading), fake.offset_ns) < READINGS_NARROW_NS);
                cr_assert_eq(slept, 0);
        }
        readings_free(readings);
}

/* When nothing else is to be had it says how wrong it may be, and is not more so.
 * Red when bracket_narrow() keeps the last instead of the narrowest. */
Test(readings, a_torn_reading_says_how_far_off_it_may_be) {
        struct guard_reading reading;
        struct readings *readings;
        int64_t slept, width;

        fake_start();
        readings = readings_of(&fake_calls);
        /* the first of the five brackets once, the others thrice */
        fake_preempt(0xeeee2, MS(300));
        width = readings_take(readings, true, &reading, &slept);
        cr_assert(width >= MS(300) && width < MS(400));
        cr_assert(distance(offset_of(&reading), fake.offset_ns) <= width / 2 + 1);
        cr_assert_eq(slept, 0);
        /* not for ever: a look costs twenty readings at most */
        cr_assert(fake.readings <= 20);
        readings_free(readings);
}

/* An undisturbed look costs four readings. */
Test(readings, a_look_is_cheap) {
        struct guard_reading reading;
        struct readings *readings;
        int64_t slept;

        fake_start();
        readings = readings_of(&fake_calls);
        fake_preempt(0, 0);
        readings_take(readings, true, &reading, &slept);
        cr_assert_eq(fake.readings, 4);
        readings_free(readings);
}

/* Red without REALTIME in readings_take(). */
Test(readings, steps_are_seen_as_far_as_they_go) {
        const int64_t steps[] = { MS(1), -MS(1), MS(86400000), -MS(86400000),
                                  INT64_C(315360000) * 1000000000, -INT64_C(630720000) * 1000000000 };
        struct readings *readings;

        fake_start();
        readings = readings_of(&fake_calls);
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
                struct guard_reading before, after;
                int64_t slept;

                readings_take(readings, true, &before, &slept);
                fake.offset_ns += steps[i];
                readings_take(readings, true, &after, &slept);
                cr_assert(distance(offset_of(&after) - offset_of(&before), steps[i]) < 1000);
                cr_assert_eq(slept, 0, "a step is no suspend");
        }
        readings_free(readings);
}

/* Each suspend is told once, and only what is one. Red when the last look is not
 * remembered, or without the bracket's part in suspended(). */
Test(readings, a_suspend_is_told_once) {
        struct guard_reading reading;
        struct readings *readings;
        int64_t slept;

        fake_start();
        /* a first look that was torn apart tells of no suspend later */
        fake_preempt(0xfffff, MS(40));
        readings = readings_of(&fake_calls);
        fake_preempt(0, 0);
        readings_take(readings, true, &reading, &slept);
        cr_assert_eq(slept, 0);
        for (int64_t hours = 1; hours < 10; hours++) {
                int64_t expected = hours * MS(3600000);

                fake.asleep_ns += expected;
                readings_take(readings, true, &reading, &slept);
                cr_assert(distance(slept, expected) < READINGS_NARROW_NS);
                readings_take(readings, true, &reading, &slept);
                cr_assert_eq(slept, 0);
        }
        fake.asleep_ns += MS(1) / 2;
        readings_take(readings, true, &reading, &slept);
        cr_assert_eq(slept, 0);
        fake_preempt(FAKE_ALL, MS(5000));
        readings_take(readings, true, &reading, &slept);
        cr_assert_eq(slept, 0);
        readings_free(readings);
}

/* Red when either is not looked at. */
Test(readings, synchronised_means_no_error_and_not_unsync) {
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
        struct readings *readings;
        const char *text;

        fake_start();
        readings = readings_of(&fake_calls);
        capture_begin();
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                struct guard_reading reading;
                int64_t slept;

                fake.adjtimex_state = table[i].state;
                fake.adjtimex_status = table[i].status;
                readings_take(readings, true, &reading, &slept);
                cr_assert_eq(reading.synchronised, table[i].expected, "row %zu", i);
        }
        /* what cannot be known is said, once */
        text = capture_take();
        cr_assert_contains(text, "event=synchronised");
        cr_assert_null(strstr(strstr(text, "event=synchronised") + 1, "event=synchronised"));
        readings_free(readings);
}

/* What a clock can say at most, or a faked one. */
Test(readings, clocks_at_their_ends_do_not_overflow) {
        struct readings_offset offset = readings_offset_of(100, INT64_MIN, 200);

        cr_assert_eq(offset.offset_ns, INT64_MIN);
        cr_assert_eq(offset.width_ns, 100);
        offset = readings_offset_of(INT64_MIN, INT64_MAX, INT64_MAX);
        cr_assert_eq(offset.width_ns, INT64_MAX);
        cr_assert_eq(offset.offset_ns, INT64_MAX);
        /* BOOTTIME never falls; whoever fakes it gets no negative width */
        offset = readings_offset_of(200, 1000, 100);
        cr_assert_eq(offset.width_ns, 0);
        cr_assert_eq(offset.offset_ns, 800);
}

/* Armed again before readings_stepped() returns, so before the caller reads the
 * clocks: a step cannot fall between. Red without the arm() there. */
Test(readings, a_step_is_told_once_and_the_timer_armed_again) {
        const int drains[] = { -ECANCELED, -EAGAIN, 0 };
        struct readings *readings;

        fake_start();
        readings = readings_of(&fake_calls);
        cr_assert_str_eq(fake.log, "oa");
        cr_assert_not(readings_stepped(readings));
        cr_assert_str_eq(fake.log, "oad");
        fake.drains = drains;
        fake.n_drains = 3;
        cr_assert(readings_stepped(readings));
        cr_assert_str_eq(fake.log, "oadda");
        cr_assert_not(readings_stepped(readings));
        /* the end of time is treated as a step */
        cr_assert(readings_stepped(readings));
        cr_assert_str_eq(fake.log, "oaddadda");
        readings_free(readings);
}

/* The kernel reports a step during the arming by ECANCELED. Red when that counts
 * as a failure, or when it goes on for ever. */
Test(readings, a_step_while_arming_is_not_lost) {
        const int arms[] = { -ECANCELED, 0, -ECANCELED, 0,
                             -ECANCELED, -ECANCELED, -ECANCELED, -ECANCELED, -ECANCELED };
        const int drains[] = { -ECANCELED, -ECANCELED };
        struct readings *readings;

        fake_start();
        fake.arms = arms;
        fake.n_arms = 9;
        fake.drains = drains;
        fake.n_drains = 2;
        readings = readings_of(&fake_calls);
        cr_assert_str_eq(fake.log, "oaa");
        cr_assert(readings_stepped(readings));
        cr_assert_str_eq(fake.log, "oaadaa");
        cr_assert(readings_stepped(readings));
        cr_assert_str_eq(fake.log, "oaadaadaaaa");
        cr_assert(readings_step_fd(readings) >= 0);
        readings_free(readings);
}

/* Red when readings_new() fails, or is silent. */
Test(readings, without_the_timer_it_says_so_and_works_on) {
        const int refused[] = { -EINVAL };
        struct guard_reading reading;
        struct readings *readings;
        int64_t slept;

        capture_begin();
        for (int round = 0; round < 2; round++) {
                fake_start();
                fake.timer_open_error = round == 0 ? -ENOSYS : 0;
                fake.arms = refused;
                fake.n_arms = 1;
                readings = readings_of(&fake_calls);
                cr_assert_contains(capture_take(), "event=steps");
                cr_assert_eq(readings_step_fd(readings), -1);
                cr_assert_not(readings_stepped(readings));
                cr_assert_eq(readings_take(readings, true, &reading, &slept), 3 * FAKE_READING_NS);
                readings_free(readings);
        }
}

/* A timer that cannot be armed any more is given up, and its step still told. */
Test(readings, a_timer_lost_later_is_said) {
        const int arms[] = { 0, -EINVAL }, drains[] = { -ECANCELED };
        struct readings *readings;

        capture_begin();
        fake_start();
        fake.arms = arms;
        fake.n_arms = 2;
        fake.drains = drains;
        fake.n_drains = 1;
        readings = readings_of(&fake_calls);
        cr_assert_str_eq(capture_take(), "");
        cr_assert(readings_stepped(readings));
        cr_assert_contains(capture_take(), "event=steps");
        cr_assert_eq(readings_step_fd(readings), -1);
        cr_assert_not(readings_stepped(readings));
        readings_free(readings);
}

/* The kernel takes the timer, which is quiet, and gives plausible times. */
Test(readings, of_this_kernel) {
        struct readings *readings = readings_of(&readings_kernel);
        struct pollfd poll_fd = { .fd = readings_step_fd(readings), .events = POLLIN };
        struct guard_reading reading;
        int64_t before = until_ns(CLOCK_BOOTTIME), slept;

        cr_assert(poll_fd.fd >= 0);
        cr_assert(fcntl(poll_fd.fd, F_GETFD) & FD_CLOEXEC);
        cr_assert(readings_take(readings, true, &reading, &slept) >= 0);
        cr_assert(reading.boottime_ns >= before && reading.boottime_ns <= until_ns(CLOCK_BOOTTIME));
        cr_assert(distance(reading.realtime_ns, until_ns(CLOCK_REALTIME)) < MS(60000));
        /* nobody sets this machine's clock: neither at once nor when drained */
        cr_assert_eq(poll(&poll_fd, 1, 0), 0);
        cr_assert_eq(readings_kernel.timer_drain(poll_fd.fd), -EAGAIN);
        cr_assert_eq(readings_kernel.timer_arm(poll_fd.fd), 0);
        cr_assert_not(readings_stepped(readings));
        readings_free(readings);
        cr_assert_eq(fcntl(poll_fd.fd, F_GETFD), -1, "the timer was left open");
}

Test(readings, free_takes_null) {
        cr_assert_null(readings_free(NULL));
}
