/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Simulated clocks under daemon/clock/wall_clock.h. Each reading takes FAKE_READING_NS;
 * a preemption can precede any of them. The timer logs its calls and gives answers set
 * beforehand.
 */
#include <stddef.h>

#include "daemon/clock/wall_clock.h"

#define FAKE_READING_NS INT64_C(25)
#define FAKE_ALL UINT64_MAX

struct fake_clocks {
        int64_t monotonic_ns;
        int64_t asleep_ns; /* BOOTTIME − MONOTONIC */
        int64_t offset_ns; /* REALTIME − BOOTTIME */
        uint64_t readings;
        uint64_t preempted; /* bits: readings before which preempted_ns pass */
        int64_t preempted_ns;
        int adjtimex_state, adjtimex_status;
        int timer_open_error;
        const int *arms, *drains; /* what they answer, in turn */
        size_t n_arms, n_drains;
        char log[64]; /* o(pen), a(rm), d(rain) */
};

extern struct fake_clocks fake_clocks;
extern const struct wall_clock_calls fake_clocks_calls;

int64_t fake_clocks_ns(clockid_t clock);
void fake_clocks_start(void);
/* Numbers the next reading 0; `ns` pass before each reading whose bit is set. */
void fake_clocks_preempt(uint64_t readings, int64_t ns);
