/* SPDX-License-Identifier: MIT */
#pragma once
/* The state of the clock as a sentence, for the log, STATUS= and refusals. Pure. */
#include <stdint.h>

#include "daemon/clock/guard.h"

#define DESCRIBE_CLOCK_TEXT 320u

/* "3.2 s" or "17 min"; the sign of `ns` is left out. */
#define DESCRIBE_DURATION_TEXT 32u
const char *describe_duration(int64_t ns, char text[DESCRIBE_DURATION_TEXT]);

/* What the state is, how long it lasts and what to do. Empty for STUCK, which the fence
 * explains. Returns `text`. */
const char *describe_clock(const struct guard *guard, const struct guard_reading *reading,
                           char text[DESCRIBE_CLOCK_TEXT]);
