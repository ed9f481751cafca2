/* SPDX-License-Identifier: MIT */
#pragma once
/* Reads guarded time without the ticker, and waits for it. */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "libclient/attachment.h"

#define NS_PER_SECOND INT64_C(1000000000)

int64_t clock_ns(clockid_t clock);
int64_t clock_boottime_ns(void);
int64_t clock_monotonic_ns(void);

/* The current tick by CLOCK_BOOTTIME and the published line; CLOCK_NOW_INVALID before the
 * epoch. *ret_boot_ns (may be NULL) is the reading of CLOCK_BOOTTIME. */
uint64_t clock_tick_now(const struct attachment *a, int64_t *ret_boot_ns);

/* Is it `tick` now? The same as clock_tick_now() == tick, but cheaper on a line without slew,
 * which is the usual case. */
bool clock_is_at(const struct attachment *a, uint64_t tick, int64_t *ret_boot_ns);

/* CLOCK_BOOTTIME in ns at which `tick` begins on the current line. */
int64_t clock_boot_of(const struct attachment *a, uint64_t tick);

/*
 * Waits for `tick`. Returns 0 once it has begun, -ETIME if clock_held(), or -ETIMEDOUT
 * once CLOCK_MONOTONIC has reached `deadline_ns` (INT64_MAX: never). It sleeps until
 * shortly before the tick and then spins. That reaches 98.7 % of the ceiling with 11 % of
 * a core; sleeping alone reaches 96 %, and spinning alone takes a whole core. It is not
 * a cancellation point.
 */
int clock_wait(const struct attachment *a, uint64_t tick, int64_t deadline_ns);

/* Sleeps until that time of `clock`. It is not a cancellation point. */
void clock_sleep_until(clockid_t clock, int64_t at_ns);

/*
 * The pauses of a call that waits: the first at most 1 ms, then growing to 40 to 80 ms, which
 * is less than 30 wake-ups a second. At random, so that processes which began to wait at one
 * moment do not wake up at one moment. *pause_ns is 0 at first.
 */
int64_t clock_next_pause(int64_t *pause_ns);
/* Between half of it and all of it. */
int64_t clock_jitter(int64_t ns);

static inline void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ __volatile__("yield");
#endif
}
