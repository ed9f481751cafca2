/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Notices steps of the wall clock without the kernel's help: REALTIME − BOOTTIME changes
 * at once with a step, and hardly at all otherwise. The ticker calls this in each tick.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/clock/wall_clock.h"

/* five times the effect of a slew of 10 % within a tick */
#define STEP_WATCH_MIN_NS INT64_C(500000)

struct step_watch {
        const struct wall_clock_calls *calls;
        struct wall_clock_offset last;
};

void step_watch_init(struct step_watch *watch, const struct wall_clock_calls *calls);
/*
 * Did the wall clock step since the last look? True once for each step. `boot_ns` is
 * BOOTTIME, which the caller has just read; a look costs two more readings. What may have
 * been preemption is no step: it is read again, and if that does not settle it, the next
 * look will.
 */
bool step_watch_look(struct step_watch *watch, int64_t boot_ns);
