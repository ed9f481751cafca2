/* SPDX-License-Identifier: MIT */
#include "tests/support/until.h"

int64_t until_ns(clockid_t clock) {
        struct timespec at;

        clock_gettime(clock, &at);
        return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

int64_t test_monotonic_ns(void) {
        return until_ns(CLOCK_MONOTONIC);
}

void until_pause(void) {
        nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
}

bool wait_until(bool (*condition)(void *context), void *context, int64_t limit_ms) {
        int64_t deadline = test_monotonic_ns() + limit_ms * 1000000;

        while (!condition(context)) {
                if (test_monotonic_ns() > deadline)
                        return false;
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        return true;
}
