/* SPDX-License-Identifier: MIT */
#pragma once
/* The fence of a lease which is renewed: so far ahead of the guarded clock. */
#include <stdint.h>

#include "shm/clock.h"

/* That time after now, at most the layout's last tick; 0: beyond what can be counted. */
uint64_t horizon_tick(const struct clock_segment *clock, int64_t horizon_ns);
