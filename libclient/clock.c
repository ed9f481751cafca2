/* SPDX-License-Identifier: MIT */
#include "libclient/clock.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPIN_NS INT64_C(70000)       /* a little more than the timer slack of a normal thread */
#define SLEEP_MAX_NS INT64_C(10000000) /* the line may change meanwhile: read it again */

static int64_t clock_ns(clockid_t clock) {
        struct timespec ts = { 0 };

        (void)clock_gettime(clock, &ts);
        return (int64_t)ts.tv_sec * NS_PER_SECOND + ts.tv_nsec;
}

int64_t clock_boottime_ns(void) {
        return clock_ns(CLOCK_BOOTTIME);
}

int64_t clock_monotonic_ns(void) {
        return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_tick_now(const struct attachment *a, int64_t *ret_boot_ns) {
        struct clock_reading reading;
        uint64_t tick = clock_tick_of(clock_read(attachment_clock(a), clock_ns, &reading));

        if (ret_boot_ns != NULL)
                *ret_boot_ns = reading.boot_ns;
        return tick;
}

bool clock_is_at(const struct attachment *a, uint64_t tick, int64_t *ret_boot_ns) {
        const struct clock_segment *clock = attachment_clock(a);
        struct clock_line line;
        uint32_t begun = clock_latch_begin(clock, &line);
        int64_t boot = clock_boottime_ns();

        *ret_boot_ns = boot;
        if (line.slew_ppb != 0 || clock_latch_retry(clock, begun))
                return clock_tick_now(a, ret_boot_ns) == tick;
        /* ns since the tick began. Unsigned, so that nothing overflows and a time before
         * the tick is a large number. */
        return (uint64_t)line.guarded_base_ns + (uint64_t)boot - (uint64_t)line.boot_base_ns -
                       tick * (uint64_t)NS_PER_TICK < (uint64_t)NS_PER_TICK;
}

int64_t clock_boot_of(const struct attachment *a, uint64_t tick) {
        struct clock_reading reading;

        (void)clock_read(attachment_clock(a), clock_ns, &reading);
        return clock_line_boot_of(&reading.line, tick);
}

void clock_sleep_until(clockid_t clock, int64_t at_ns) {
        struct timespec ts = { .tv_sec = at_ns / NS_PER_SECOND, .tv_nsec = at_ns % NS_PER_SECOND };

        /* by syscall(2), which is not a cancellation point */
        (void)syscall(SYS_clock_nanosleep, clock, TIMER_ABSTIME, &ts, NULL);
}

int clock_wait(const struct attachment *a, uint64_t tick, int64_t deadline_ns) {
        for (;;) {
                struct clock_reading reading;
                uint64_t now = clock_tick_of(clock_read(attachment_clock(a), clock_ns, &reading));
                int64_t left, until;

                if (now >= tick && now != CLOCK_NOW_INVALID)
                        return 0;
                if (clock_held(attachment_clock(a)))
                        return -ETIME;
                left = clock_line_boot_of(&reading.line, tick) - reading.boot_ns;
                if (deadline_ns != INT64_MAX) {
                        int64_t allowed = deadline_ns - clock_monotonic_ns();

                        if (allowed <= 0)
                                return -ETIMEDOUT;
                        left = left < allowed ? left : allowed + SPIN_NS;
                }
                if (left <= SPIN_NS) {
                        cpu_relax();
                        continue;
                }
                until = left - SPIN_NS < SLEEP_MAX_NS ? left - SPIN_NS : SLEEP_MAX_NS;
                clock_sleep_until(CLOCK_BOOTTIME, reading.boot_ns + until);
        }
}
