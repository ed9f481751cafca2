/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdint.h>

#include "daemon/clock/step_watch.h"
#include "tests/support/random.h"
#include "tests/unit/support/fake_clocks.h"

#define US(n) ((int64_t)(n)*1000)
#define TICK_NS INT64_C(1000000)

static struct step_watch watch;

static void start(void) {
        fake_clocks_start();
        step_watch_init(&watch, &fake_clocks_calls);
}

/* As the ticker does, a tick later. The reading of BOOTTIME is number 0. */
static bool look(void) {
        fake_clocks.monotonic_ns += TICK_NS;
        fake_clocks.readings = 0;
        return step_watch_look(&watch, fake_clocks_ns(CLOCK_BOOTTIME));
}

TestSuite(step_watch, .init = start);

/* Red when STEP_WATCH_MIN_NS is doubled or halved, or `last` is not moved on. */
Test(step_watch, a_step_is_told_once) {
        const struct {
                int64_t by_ns;
                bool expected;
        } table[] = {
                { 0, false },
                { US(490), false },
                { -US(490), false },
                { US(510), true },
                { -US(510), true },
                { US(1000), true },
                { -US(1000), true },
                { INT64_C(315360000) * 1000000000, true },
                { -INT64_C(315360000) * 1000000000, true },
                { -INT64_C(1800000000) * 1000000000, true },
                { INT64_C(1800000000) * 1000000000, true },
        };

        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                fake_clocks.offset_ns += table[i].by_ns;
                cr_assert_eq(look(), table[i].expected, "row %zu", i);
                cr_assert_not(look(), "row %zu: told twice", i);
        }
}

/* 10 % is far more than any daemon slews. Red when follow() does nothing. */
Test(step_watch, a_slew_is_no_step) {
        for (int i = 0; i < 100000; i++) {
                fake_clocks.offset_ns += TICK_NS / (i < 50000 ? 10 : -10);
                cr_assert_not(look());
        }
}

/* Wherever the thread is preempted, for however long, and however often. Red
 * without the widths in step_watch_look(). */
Test(step_watch, preemption_is_no_step) {
        uint64_t seed = 7;

        for (int i = 0; i < 100000; i++) {
                /* mostly one, sometimes all readings of a look */
                uint64_t mask = UINT64_C(1) << random_below(&seed, 24);

                fake_clocks.preempted = i % 50 == 0 ? random_next(&seed) : mask;
                fake_clocks.preempted_ns = US(random_below(&seed, 10000000));
                cr_assert_not(look(), "look %d", i);
        }
}

/* Clocks may take their time, always or from some time on, as when every call is
 * intercepted. Red without either condition of follow(). */
Test(step_watch, a_slew_is_no_step_for_slow_clocks) {
        for (int round = 0; round < 2; round++) {
                fake_clocks_preempt(FAKE_ALL, round == 0 ? US(2) : US(100));
                step_watch_init(&watch, &fake_clocks_calls);
                if (round == 0)
                        fake_clocks.preempted_ns *= 2;
                for (int i = 0; i < 10000; i++) {
                        fake_clocks.offset_ns += US(1);
                        cr_assert_not(look());
                }
        }
}

/* Red without the second reading. */
Test(step_watch, a_step_is_told_though_the_tick_was_preempted) {
        fake_clocks.offset_ns += US(1000);
        fake_clocks_preempt(UINT64_C(1) << 2, US(5000));
        cr_assert(look());
        fake_clocks_preempt(0, 0);
        cr_assert_not(look());
}

/* It may take a look more, never get lost. */
Test(step_watch, a_step_amid_preemption_is_told) {
        uint64_t seed = 9;

        for (int i = 0; i < 1000; i++) {
                int told = 0;

                fake_clocks.offset_ns += i % 2 == 0 ? US(600) : -US(600);
                fake_clocks.preempted = random_next(&seed);
                fake_clocks.preempted_ns = US(random_below(&seed, 1000000));
                told += look();
                fake_clocks.preempted = 0;
                told += look();
                cr_assert_eq(told, 1, "step %d told %d times", i, told);
        }
}

/* Red when more is read than REALTIME and BOOTTIME. */
Test(step_watch, a_look_costs_two_readings) {
        cr_assert_not(look());
        cr_assert_eq(fake_clocks.readings, 1 + 2);
}

/* A suspend between two looks, or amid one, moves no offset. */
Test(step_watch, a_suspend_is_no_step) {
        fake_clocks.asleep_ns += INT64_C(3600) * 1000000000;
        cr_assert_not(look());
        int64_t boot_ns = fake_clocks_ns(CLOCK_BOOTTIME);
        fake_clocks.asleep_ns += INT64_C(3600) * 1000000000;
        cr_assert_not(step_watch_look(&watch, boot_ns));
        cr_assert_not(look());
}
