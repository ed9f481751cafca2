/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The guarded clock: never backward. A pure state machine; readings are passed
 * in, time is simulated in tests. It decides the line (shm/clock.h) which turns
 * CLOCK_BOOTTIME into ticks.
 */
#include <stdbool.h>
#include <stdint.h>

#include "shm/clock.h"
#include "shm/id.h"

/* clock.on_rollback: what happens when the wall clock is found behind. */
enum guard_rollback {
        GUARD_OFFSET, /* go on with logical time, slewed back */
        GUARD_WAIT,   /* stand still until the wall clock has caught up */
        GUARD_FAIL,   /* the same, and every call fails at once */
};

/* The [clock] section of the configuration. */
struct guard_policy {
        enum guard_rollback on_rollback;
        int64_t max_offset_ns;       /* GUARD_OFFSET: how far ahead of the wall clock ticks may be */
        int64_t max_forward_step_ns; /* a larger forward jump is held until accepted */
        int64_t max_slew_ns;         /* of a difference, worked off each second */
        bool require_sync;           /* no ID of a boot before the kernel's clock is synchronised */
};

struct guard_reading {
        int64_t realtime_ns; /* Unix */
        int64_t boottime_ns;
        bool synchronised; /* the kernel takes the wall clock for right */
};

struct guard {
        struct clock_line line;
        uint64_t not_before_tick; /* above the fence found at start */
};

/* A new line from the wall clock, for a boot without a published one. Ticks at
 * or below `fence_tick` (0: none) must not be issued: the guard is `waiting`
 * until it has passed them. -ERANGE: the wall clock is before the epoch, or it
 * or the fence is past the layout's end (the caller says so). */
int guard_start(struct guard *guard, const struct id_layout *layout,
                const struct guard_reading *reading, uint64_t fence_tick);

/* Go on with the published line of an earlier daemon of this boot, so that the
 * clock neither steps nor starts anew (rule 9). `fence_tick` is 0 when the
 * ledger segment survived as well: it is then the truth about what was promised
 * and there is nothing to wait for. */
void guard_resume(struct guard *guard, const struct clock_line *line, uint64_t fence_tick);

/* May grants be made at this CLOCK_BOOTTIME? If not, *ret_resume_boot_ns is when. */
bool guard_ready(const struct guard *guard, int64_t boottime_ns, int64_t *ret_resume_boot_ns);

uint64_t guard_tick(const struct guard *guard, int64_t boottime_ns);
