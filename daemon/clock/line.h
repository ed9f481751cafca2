/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Changes of the published line (shm/clock.h) that never lead back: neither by
 * itself nor between a reader who has the old line and one who has the new. Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#include "shm/clock.h"

/* A line is changed from that long after the reading on: by then every reader
 * has it, and up to then it is the old one. */
#define LINE_LEAD_NS (2 * NS_PER_TICK)
#define LINE_STANDSTILL_PPB INT64_C(-1000000000)

/* At its normal rate, from that point. Only to begin a line, or to jump forward. */
void line_begin(struct clock_line *line, int64_t boot_ns, int64_t guarded_ns);

/*
 * Gives the line that rate for `stretch_ns` of CLOCK_BOOTTIME; rate 0 is the
 * normal one. A line has one bend, so from another rate it takes two steps: the
 * slew is ended first. Then this returns false, and is to be asked again when
 * LINE_LEAD_NS have passed.
 */
bool line_bend(struct clock_line *line, int64_t boot_ns, int64_t ppb, int64_t stretch_ns);

bool line_slewing(const struct clock_line *line, int64_t boot_ns);
/* What it gains on its normal rate between now and the end of its slew. */
int64_t line_slew_left(const struct clock_line *line, int64_t boot_ns);
