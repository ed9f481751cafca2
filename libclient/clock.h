/* SPDX-License-Identifier: MIT */
#pragma once
/* Guarded time, read without the ticker's help, and waiting for it. */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/attachment.h"

#define NS_PER_SECOND INT64_C(1000000000)

int64_t clock_boottime_ns(void);
int64_t clock_monotonic_ns(void);

/* The current tick by CLOCK_BOOTTIME and the published line; CLOCK_NOW_INVALID
 * before the epoch. *ret_boot_ns (may be NULL) is the reading it was made from. */
uint64_t clock_tick_now(const struct attachment *a, int64_t *ret_boot_ns);

/* Is it `tick` now? As clock_tick_now() == tick, but cheaper on the usual line,
 * one without slew. */
bool clock_is_at(const struct attachment *a, uint64_t tick, int64_t *ret_boot_ns);

/* CLOCK_BOOTTIME ns at which `tick` begins, by the line as it is now. */
int64_t clock_boot_of(const struct attachment *a, uint64_t tick);

/*
 * Returns when `tick` has begun (0), with -ETIME once clock_held(), or with
 * -ETIMEDOUT once CLOCK_MONOTONIC has
 * reached `deadline_ns` (INT64_MAX: never). Sleeps until shortly before, then
 * spins: 98.7 % of the ceiling for 11 % of a core, against 96 % for sleeping
 * and 100 % of a core for spinning. No cancellation point.
 */
int clock_wait(const struct attachment *a, uint64_t tick, int64_t deadline_ns);

/* Sleeps until that CLOCK_MONOTONIC time; no cancellation point. */
void clock_sleep_until(int64_t at_ns);

static inline void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ __volatile__("yield");
#endif
}
