/* SPDX-License-Identifier: MIT */
#include "daemon/lease/horizon.h"

#include "daemon/util/time.h"

uint64_t horizon_tick(const struct clock_segment *clock, int64_t horizon_ns) {
        uint64_t tick, last = id_tick_max(&clock->layout);
        struct clock_reading reading;
        int64_t ns = clock_read(clock, time_ns, &reading);

        if (__builtin_add_overflow(ns, horizon_ns, &ns) || clock_tick_of(ns) == CLOCK_NOW_INVALID)
                return 0;
        tick = clock_tick_of(ns);
        return tick < last ? tick : last;
}
