/* SPDX-License-Identifier: MIT */
#pragma once
/* The state of the clock as a sentence: for the log, STATUS=, refusals. Pure. */
#include <stdint.h>

#include "daemon/clock/guard.h"

#define CLOCK_TEXT 320u

/* "3.2 s", "17 min"; of a difference without its sign. */
#define CLOCK_DURATION_TEXT 32u
const char *clock_duration(int64_t ns, char text[CLOCK_DURATION_TEXT]);

/* What is the case, until when, and what to do. Not for STUCK, which is the
 * lease's to explain. Returns `text`. */
const char *clock_text(const struct guard *guard, const struct guard_reading *reading,
                       char text[CLOCK_TEXT]);
