/* SPDX-License-Identifier: MIT */
#include "daemon/lease/backoff.h"

#include <sys/random.h>
#include <time.h>

#include "daemon/util/time.h"

int64_t backoff_next(int64_t last_delay_ns, int64_t first_ns, int64_t last_ns) {
        if (last_delay_ns <= 0)
                return first_ns;
        return last_delay_ns > last_ns / 2 ? last_ns : last_delay_ns * 2;
}

int64_t backoff_jittered(int64_t delay_ns, uint64_t random) {
        int64_t half_ns = delay_ns / 2;

        return delay_ns - half_ns + (int64_t)(random % ((uint64_t)half_ns + 1));
}

uint64_t backoff_random(void) {
        uint64_t random;

        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
                random = (uint64_t)time_ns(CLOCK_MONOTONIC);
        return random;
}
