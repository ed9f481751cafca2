/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/fake_clocks.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

struct fake_clocks fake_clocks;

static void fake_note(char what) {
        size_t length = strlen(fake_clocks.log);

        if (length + 1 < sizeof(fake_clocks.log))
                fake_clocks.log[length] = what;
}

int64_t fake_clocks_ns(clockid_t clock) {
        bool preempted = fake_clocks.preempted == FAKE_ALL ||
                         (fake_clocks.readings < 64 &&
                          (fake_clocks.preempted >> fake_clocks.readings & 1));

        fake_clocks.readings++;
        fake_clocks.monotonic_ns += FAKE_READING_NS + (preempted ? fake_clocks.preempted_ns : 0);
        if (clock == CLOCK_MONOTONIC)
                return fake_clocks.monotonic_ns;
        if (clock == CLOCK_BOOTTIME)
                return fake_clocks.monotonic_ns + fake_clocks.asleep_ns;
        return fake_clocks.monotonic_ns + fake_clocks.asleep_ns + fake_clocks.offset_ns;
}

static int fake_adjtimex(struct timex *timex) {
        if (timex->modes != 0)
                return -EPERM;
        timex->status = fake_clocks.adjtimex_status;
        return fake_clocks.adjtimex_state;
}

static int fake_timer_open(void) {
        fake_note('o');
        if (fake_clocks.timer_open_error < 0)
                return fake_clocks.timer_open_error;
        return eventfd(0, EFD_CLOEXEC);
}

/* The answers in turn, then 0. */
static int fake_timer_arm(int fd) {
        (void)fd;
        fake_note('a');
        return fake_clocks.n_arms > 0 ? (fake_clocks.n_arms--, *fake_clocks.arms++) : 0;
}

/* The answers in turn, then "no step". */
static int fake_timer_drain(int fd) {
        (void)fd;
        fake_note('d');
        return fake_clocks.n_drains > 0 ? (fake_clocks.n_drains--, *fake_clocks.drains++) : -EAGAIN;
}

const struct wall_clock_calls fake_clocks_calls = {
        .clock_ns = fake_clocks_ns,
        .adjtimex = fake_adjtimex,
        .timer_open = fake_timer_open,
        .timer_arm = fake_timer_arm,
        .timer_drain = fake_timer_drain,
};

void fake_clocks_preempt(uint64_t readings, int64_t ns) {
        fake_clocks.readings = 0;
        fake_clocks.preempted = readings;
        fake_clocks.preempted_ns = ns;
}

void fake_clocks_start(void) {
        memset(&fake_clocks, 0, sizeof(fake_clocks));
        fake_clocks.monotonic_ns = INT64_C(5000000000);
        fake_clocks.asleep_ns = INT64_C(70000000000);
        fake_clocks.offset_ns = INT64_C(1750000000000000000);
}
