/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Notices steps of the wall clock by themselves: REALTIME − BOOTTIME moves with
 * a step at once, and next to nothing otherwise. For the ticker, which looks at
 * each tick.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/clock/wall_clock.h"

/* five times what a slew of 10 % does in a tick */
#define STEP_WATCH_MIN_NS INT64_C(500000)

struct step_watch {
        const struct wall_clock_calls *calls;
        struct wall_clock_offset last;
};

void step_watch_init(struct step_watch *watch, const struct wall_clock_calls *calls);
/*
 * Did the wall clock step since the last look? True once for each. `boot_ns` is
 * BOOTTIME as the caller read it just before: a look costs two readings more.
 * What may have been preemption is no step: it is read again, and when that does
 * not settle it either the next look will.
 */
bool step_watch_look(struct step_watch *watch, int64_t boot_ns);
