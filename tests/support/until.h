/* SPDX-License-Identifier: MIT */
#pragma once
/* Waits for a condition. The limits are generous: speed fails no test. */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

int64_t until_ns(clockid_t clock);
int64_t test_monotonic_ns(void);
void until_pause(void);
/* Polls `condition(context)` every millisecond; false after limit_ms. */
bool wait_until(bool (*condition)(void *context), void *context, int64_t limit_ms);

#define UNTIL(condition)                                                                           \
        do {                                                                                       \
                int64_t until_limit = until_ns(CLOCK_MONOTONIC) + INT64_C(60000000000);            \
                while (!(condition)) {                                                             \
                        cr_assert(until_ns(CLOCK_MONOTONIC) < until_limit,                         \
                                  "waited a minute for: %s", #condition);                          \
                        until_pause();                                                             \
                }                                                                                  \
        } while (0)
