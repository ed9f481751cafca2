/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>

#include "daemon/guard.h"

#define EPOCH_NS (ID_DEFAULT_EPOCH_UNIX_MS * NS_PER_TICK)
#define BOOT INT64_C(5000000000)
#define TICK(n) ((int64_t)(n)*NS_PER_TICK)

static struct guard_reading reading_at(int64_t guarded_ns) {
        return (struct guard_reading){ .realtime_ns = EPOCH_NS + guarded_ns, .boottime_ns = BOOT };
}

/* What a start answers, by wall clock and fence. Red when a bound in
 * guarded_now(), or the fence's, is moved by one. */
Test(guard, start_accepts_what_the_layout_can_say) {
        const struct {
                int64_t guarded_ns;
                uint64_t fence_tick;
                int expected;
        } table[] = {
                { 0, 0, 0 },
                { -1, 0, -ERANGE },
                { -EPOCH_NS, 0, -ERANGE },
                { TICK((INT64_C(1) << 41)) - 1, 0, 0 },
                { TICK((INT64_C(1) << 41)), 0, -ERANGE },
                { TICK(1000), (UINT64_C(1) << 41) - 2, 0 },
                { TICK(1000), (UINT64_C(1) << 41) - 1, -ERANGE },
                { TICK(1000), UINT64_MAX, -ERANGE },
        };

        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                struct guard_reading reading = reading_at(table[i].guarded_ns);
                struct guard guard = { .not_before_tick = 77 };
                int r = guard_start(&guard, &id_layout_default, &reading, table[i].fence_tick);

                cr_assert_eq(r, table[i].expected, "row %zu: %d", i, r);
                if (r < 0)
                        cr_assert_eq(guard.not_before_tick, 77, "row %zu: touched", i);
        }
}

Test(guard, an_epoch_which_does_not_fit_is_refused) {
        struct id_layout layout = id_layout_default;
        struct guard_reading reading = reading_at(0);
        struct guard guard;

        layout.epoch_unix_ms = INT64_MIN / 2;
        cr_assert_eq(guard_start(&guard, &layout, &reading, 0), -ERANGE);
        layout.epoch_unix_ms = INT64_MIN / NS_PER_TICK;
        reading.realtime_ns = INT64_MAX;
        cr_assert_eq(guard_start(&guard, &layout, &reading, 0), -ERANGE);
}

/* U3: a fence found at start is waited for, and it is itself excluded. Red
 * when first_tick_above() gives the fence, or when guard_ready() compares by >. */
Test(guard, U3_ready_only_above_the_fence) {
        const struct {
                int64_t elapsed_ns; /* since the start at tick 1000 */
                uint64_t fence_tick;
                bool ready;
        } table[] = {
                { 0, 0, true },
                { 0, 999, true },
                { 0, 1000, false },
                { TICK(1) - 1, 1000, false },
                { TICK(1), 1000, true },
                { TICK(600) - 1, 1599, false },
                { TICK(600), 1599, true },
        };

        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                struct guard_reading reading = reading_at(TICK(1000));
                struct guard guard;
                int64_t resume = -1;
                bool ready;

                cr_assert_eq(guard_start(&guard, &id_layout_default, &reading, table[i].fence_tick),
                             0);
                ready = guard_ready(&guard, BOOT + table[i].elapsed_ns, &resume);
                cr_assert_eq(ready, table[i].ready, "row %zu", i);
                if (ready) {
                        cr_assert_eq(resume, -1, "row %zu: touched", i);
                        continue;
                }
                /* the time it names is the first one at which it is ready */
                cr_assert(guard_ready(&guard, resume, &resume), "row %zu", i);
                cr_assert_not(guard_ready(&guard, resume - 1, &resume), "row %zu", i);
        }
}

/* Rule 9: the published line is gone on with, whatever the wall clock says by
 * now. Red when guard_resume() makes a line of its own. */
Test(guard, resume_continues_the_published_line) {
        const struct clock_line lines[] = {
                { .boot_base_ns = BOOT, .guarded_base_ns = TICK(1000), .slew_end_boot_ns = BOOT },
                { .boot_base_ns = BOOT,
                  .guarded_base_ns = TICK(1000),
                  .slew_ppb = -500000,
                  .slew_end_boot_ns = BOOT + 3 * TICK(1000) },
                { .boot_base_ns = BOOT,
                  .guarded_base_ns = TICK(1000),
                  .slew_ppb = 333333,
                  .slew_end_boot_ns = BOOT + 7 * TICK(1000) },
        };

        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
                struct guard guard;

                guard_resume(&guard, &lines[i], 0);
                for (int64_t t = 0; t < TICK(10000); t += 1234567) {
                        int64_t unused;

                        cr_assert_eq(guard_tick(&guard, BOOT + t),
                                     clock_tick_of(clock_line_at(&lines[i], BOOT + t)));
                        cr_assert(guard_ready(&guard, BOOT + t, &unused));
                }
        }
}

/* Also on a slewed line the named time is when it is ready, and time never
 * steps back. */
Test(guard, resume_with_a_fence_waits_on_a_slewed_line) {
        const int64_t slews[] = { -500000, 0, 333333, 999999999, -999999 };

        for (size_t i = 0; i < sizeof(slews) / sizeof(slews[0]); i++) {
                struct clock_line line = { .boot_base_ns = BOOT,
                                           .guarded_base_ns = TICK(1000),
                                           .slew_ppb = slews[i],
                                           .slew_end_boot_ns = BOOT + TICK(5000) };

                for (uint64_t fence = 1000; fence < 12000; fence += 977) {
                        struct guard guard;
                        int64_t resume = 0;

                        guard_resume(&guard, &line, fence);
                        cr_assert_not(guard_ready(&guard, BOOT, &resume));
                        cr_assert(guard_ready(&guard, resume, &resume), "slew %jd fence %ju",
                                  (intmax_t)slews[i], (uintmax_t)fence);
                        cr_assert_not(guard_ready(&guard, resume - 2, &resume));
                }
        }
}

/* A line which has not reached the epoch yields INVALID, the largest number:
 * it is no tick above anything. */
Test(guard, before_the_epoch_is_not_ready) {
        struct clock_line line = { .boot_base_ns = BOOT,
                                   .guarded_base_ns = -TICK(10),
                                   .slew_end_boot_ns = BOOT };
        struct guard guard;
        int64_t resume = 0;

        guard_resume(&guard, &line, 0);
        cr_assert_not(guard_ready(&guard, BOOT, &resume));
        cr_assert_eq(resume, BOOT + TICK(10));
        cr_assert(guard_ready(&guard, resume, &resume));
}
