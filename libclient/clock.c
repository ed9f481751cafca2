/* SPDX-License-Identifier: MIT */
#include "libclient/clock.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPIN_NS INT64_C(70000)       /* a little more than the timer slack of a normal thread */
/* The line may change during a sleep: it is read again after so long, and less often later. */
#define SLEEP_FIRST_NS INT64_C(10000000)
#define PAUSE_FIRST_NS INT64_C(1000000)
#define PAUSE_MAX_NS INT64_C(80000000)

int64_t clock_ns(clockid_t clock) {
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

int64_t clock_jitter(int64_t ns) {
        uint64_t mixed = (uint64_t)clock_monotonic_ns() * UINT64_C(0x9e3779b97f4a7c15) +
                         (uint64_t)syscall(SYS_gettid);

        mixed ^= mixed >> 31;
        return ns / 2 + (int64_t)(mixed % (uint64_t)(ns / 2));
}

int64_t clock_next_pause(int64_t *pause_ns) {
        int64_t ns = *pause_ns == 0 ? PAUSE_FIRST_NS : *pause_ns;

        *pause_ns = ns < PAUSE_MAX_NS / 2 ? 2 * ns : PAUSE_MAX_NS;
        return clock_jitter(ns);
}

int clock_wait(const struct attachment *a, uint64_t tick, int64_t deadline_ns) {
        int64_t sleep_max = SLEEP_FIRST_NS;

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
                until = left - SPIN_NS < sleep_max ? left - SPIN_NS : sleep_max;
                clock_sleep_until(CLOCK_BOOTTIME, reading.boot_ns + until);
                sleep_max = sleep_max < PAUSE_MAX_NS / 2 ? 2 * sleep_max : PAUSE_MAX_NS;
        }
}
