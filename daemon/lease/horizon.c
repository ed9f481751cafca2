/* SPDX-License-Identifier: MIT */
#include "daemon/lease/horizon.h"

#include "daemon/util/time.h"

uint64_t horizon_tick(const struct clock_segment *clock, int64_t horizon_ns) {
        uint64_t tick, last = id_tick_max(&clock->layout);
        struct clock_line line;
        uint32_t begun;
        int64_t ns;

        do {
                begun = clock_latch_begin(clock, &line);
                ns = clock_line_at(&line, time_ns(CLOCK_BOOTTIME));
        } while (clock_latch_retry(clock, begun));
        if (__builtin_add_overflow(ns, horizon_ns, &ns) || clock_tick_of(ns) == CLOCK_NOW_INVALID)
                return 0;
        tick = clock_tick_of(ns);
        return tick < last ? tick : last;
}
