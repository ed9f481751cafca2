/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Simulated clocks under daemon/clock/wall_clock.h. Each reading lets FAKE_READING_NS
 * pass; any of them can be preceded by a preemption. The timer is a log of calls,
 * with answers given beforehand.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>

#include "daemon/clock/wall_clock.h"

#define FAKE_READING_NS INT64_C(25)
#define FAKE_ALL UINT64_MAX

static struct fake_clocks {
        int64_t monotonic_ns, asleep_ns, offset_ns; /* BOOTTIME − MONOTONIC; REALTIME − BOOTTIME */
        uint64_t readings;
        uint64_t preempted; /* bits: readings before which preempted_ns pass */
        int64_t preempted_ns;
        int adjtimex_state, adjtimex_status;
        int timer_open_error;
        const int *arms, *drains; /* what they answer, in turn */
        size_t n_arms, n_drains;
        char log[64]; /* o(pen), a(rm), d(rain) */
} fake;

static void fake_note(char what) {
        size_t length = strlen(fake.log);

        if (length + 1 < sizeof(fake.log))
                fake.log[length] = what;
}

static int64_t fake_clock_ns(clockid_t clock) {
        bool preempted = fake.preempted == FAKE_ALL ||
                         (fake.readings < 64 && (fake.preempted >> fake.readings & 1));

        fake.readings++;
        fake.monotonic_ns += FAKE_READING_NS + (preempted ? fake.preempted_ns : 0);
        if (clock == CLOCK_MONOTONIC)
                return fake.monotonic_ns;
        if (clock == CLOCK_BOOTTIME)
                return fake.monotonic_ns + fake.asleep_ns;
        return fake.monotonic_ns + fake.asleep_ns + fake.offset_ns;
}

static int fake_adjtimex(struct timex *timex) {
        if (timex->modes != 0)
                return -EPERM;
        timex->status = fake.adjtimex_status;
        return fake.adjtimex_state;
}

static int fake_timer_open(void) {
        fake_note('o');
        return fake.timer_open_error < 0 ? fake.timer_open_error : eventfd(0, EFD_CLOEXEC);
}

/* The answers in turn, then 0. */
static int fake_timer_arm(int fd) {
        (void)fd;
        fake_note('a');
        return fake.n_arms > 0 ? (fake.n_arms--, *fake.arms++) : 0;
}

/* The answers in turn, then "no step". */
static int fake_timer_drain(int fd) {
        (void)fd;
        fake_note('d');
        return fake.n_drains > 0 ? (fake.n_drains--, *fake.drains++) : -EAGAIN;
}

static const struct wall_clock_calls fake_calls = {
        .clock_ns = fake_clock_ns,
        .adjtimex = fake_adjtimex,
        .timer_open = fake_timer_open,
        .timer_arm = fake_timer_arm,
        .timer_drain = fake_timer_drain,
};

/* From here on, the next reading is number 0. */
static inline void fake_preempt(uint64_t readings, int64_t ns) {
        fake.readings = 0;
        fake.preempted = readings;
        fake.preempted_ns = ns;
}

static inline void fake_start(void) {
        memset(&fake, 0, sizeof(fake));
        fake.monotonic_ns = INT64_C(5000000000);
        fake.asleep_ns = INT64_C(70000000000);
        fake.offset_ns = INT64_C(1750000000000000000);
}
