/* SPDX-License-Identifier: MIT */
#pragma once
/* Waits for a condition, generously: speed fails no test. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <time.h>

static inline int64_t until_ns(clockid_t clock) {
        struct timespec at;

        clock_gettime(clock, &at);
        return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static inline void until_pause(void) {
        struct timespec pause = { .tv_nsec = 200000 };

        nanosleep(&pause, NULL);
}

#define UNTIL(condition)                                                                           \
        do {                                                                                       \
                int64_t until_limit = until_ns(CLOCK_MONOTONIC) + INT64_C(60000000000);            \
                while (!(condition)) {                                                             \
                        cr_assert(until_ns(CLOCK_MONOTONIC) < until_limit,                         \
                                  "waited a minute for: %s", #condition);                          \
                        until_pause();                                                             \
                }                                                                                  \
        } while (0)
