/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Changes of the published line (shm/clock.h) that never lead back: not along one line,
 * and not between a reader with the old line and a reader with the new one. Pure.
 */
#include <stdbool.h>
#include <stdint.h>

#include "shm/clock.h"

/* A change takes effect this long after the reading: by then every reader has the new
 * line, which is equal to the old one up to there. */
#define LINE_LEAD_NS (2 * NS_PER_TICK)
#define LINE_STANDSTILL_PPB INT64_C(-1000000000)

/* A line at the normal rate from that point. Only to begin a line, or to jump forward. */
void line_begin(struct clock_line *line, int64_t boot_ns, int64_t guarded_ns);

/*
 * Gives the line that rate for `stretch_ns` of CLOCK_BOOTTIME; rate 0 is the normal one.
 * A line has one bend, so a change from another rate takes two steps. The first ends the
 * slew and returns false; call this again when LINE_LEAD_NS have passed.
 */
bool line_bend(struct clock_line *line, int64_t boot_ns, int64_t ppb, int64_t stretch_ns);

bool line_slewing(const struct clock_line *line, int64_t boot_ns);
/* What the line gains over the normal rate between now and the end of its slew. */
int64_t line_slew_left(const struct clock_line *line, int64_t boot_ns);
