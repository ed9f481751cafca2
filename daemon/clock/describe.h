/* SPDX-License-Identifier: MIT */
#pragma once
/* The state of the clock as a sentence: for the log, STATUS=, refusals. Pure. */
#include <stdint.h>

#include "daemon/clock/guard.h"

#define DESCRIBE_CLOCK_TEXT 320u

/* "3.2 s", "17 min"; of a difference without its sign. */
#define DESCRIBE_DURATION_TEXT 32u
const char *describe_duration(int64_t ns, char text[DESCRIBE_DURATION_TEXT]);

/* What is the case, until when, and what to do. Not for STUCK, which is the
 * lease's to explain. Returns `text`. */
const char *describe_clock(const struct guard *guard, const struct guard_reading *reading,
                           char text[DESCRIBE_CLOCK_TEXT]);
