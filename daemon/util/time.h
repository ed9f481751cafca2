/* SPDX-License-Identifier: MIT */
#pragma once
/* Nanoseconds, and the clocks read in them. */
#include <stdint.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static inline int64_t time_ns(clockid_t clock) {
        struct timespec at;

        clock_gettime(clock, &at);
        return at.tv_sec * NS_PER_S + at.tv_nsec;
}

static inline struct timespec time_to_timespec(int64_t ns) {
        return (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
}
