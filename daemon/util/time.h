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

/* Sums and products of nanoseconds, and the nearest value that an int64_t counts. */
__extension__ typedef __int128 wide_ns;

static inline int64_t time_clamped(wide_ns ns) {
        if (ns > INT64_MAX)
                return INT64_MAX;
        return ns < INT64_MIN ? INT64_MIN : (int64_t)ns;
}
