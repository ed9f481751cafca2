/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "daemon/lease/backoff.h"

#define S INT64_C(1000000000)

static const uint64_t randoms[] = { 0, 1, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX };

/* Any delay, to that of years: red where the product of both is computed. */
Test(backoff, between_half_and_all) {
        static const int64_t delays[] = { 0, 1, 2, 3, S, 10 * S, 86400 * S, INT64_MAX };

        for (size_t d = 0; d < sizeof(delays) / sizeof(delays[0]); d++)
                for (size_t r = 0; r < sizeof(randoms) / sizeof(randoms[0]); r++) {
                        int64_t ns = backoff_jittered(delays[d], randoms[r]);

                        cr_assert_geq(ns, delays[d] / 2);
                        cr_assert_leq(ns, delays[d]);
                }
}

/* Both ends are reached: nobody is always early. */
Test(backoff, all_of_the_range) {
        cr_assert_eq(backoff_jittered(10 * S, 0), 5 * S);
        cr_assert_eq(backoff_jittered(10 * S, 5 * S), 10 * S);
        cr_assert_neq(backoff_random(), backoff_random());
}

Test(backoff, doubles_up_to_the_last) {
        int64_t ns = 0;

        for (int64_t expected = S / 10; expected < 10 * S; expected *= 2) {
                ns = backoff_next(ns, S / 10, 10 * S);
                cr_assert_eq(ns, expected);
        }
        cr_assert_eq(backoff_next(ns, S / 10, 10 * S), 10 * S);
        cr_assert_eq(backoff_next(10 * S, S / 10, 10 * S), 10 * S);
        cr_assert_eq(backoff_next(INT64_MAX, 1, INT64_MAX), INT64_MAX);
}
