/* SPDX-License-Identifier: MIT */
#include "libclient/observe/interval.h"

#include <errno.h>
#include <time.h>

#include "libclient/observe/number.h"

#define NS_PER_S INT64_C(1000000000)
#define INTERVAL_MIN_NS (NS_PER_S / 100)
#define INTERVAL_MAX_NS (INT64_C(31536000) * NS_PER_S)

int interval_parse(const char *text, int64_t *ret_ns) {
        int64_t ns;

        if (number_parse_seconds(text, &ns) < 0 || ns < INTERVAL_MIN_NS || ns > INTERVAL_MAX_NS)
                return -EINVAL;
        *ret_ns = ns;
        return 0;
}

int64_t interval_now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

void interval_sleep(int64_t *at_ns, int64_t interval_ns) {
        int64_t now = interval_now_ns();
        struct timespec until;

        *at_ns = *at_ns + interval_ns < now ? now : *at_ns + interval_ns;
        until = (struct timespec){ .tv_sec = (time_t)(*at_ns / NS_PER_S),
                                   .tv_nsec = (long)(*at_ns % NS_PER_S) };
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
                ;
}
