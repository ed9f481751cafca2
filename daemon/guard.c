/* SPDX-License-Identifier: MIT */
#include "daemon/guard.h"

#include <errno.h>

/* Guarded ns since the epoch: the wall clock as far as the layout can say it. */
static int guarded_now(const struct id_layout *layout, const struct guard_reading *reading,
                       int64_t *ret_ns) {
        int64_t epoch_ns, guarded_ns;

        if (__builtin_mul_overflow(layout->epoch_unix_ms, NS_PER_TICK, &epoch_ns) ||
            __builtin_sub_overflow(reading->realtime_ns, epoch_ns, &guarded_ns))
                return -ERANGE;
        /* before the epoch this is the largest number */
        if (clock_tick_of(guarded_ns) > id_tick_max(layout))
                return -ERANGE;
        *ret_ns = guarded_ns;
        return 0;
}

/* The first tick above the fence. A fence of 0 says that no ID was ever issued. */
static uint64_t first_tick_above(uint64_t fence_tick) {
        return fence_tick == 0 || fence_tick == UINT64_MAX ? fence_tick : fence_tick + 1;
}

int guard_start(struct guard *guard, const struct id_layout *layout,
                const struct guard_reading *reading, uint64_t fence_tick) {
        int64_t guarded_ns;
        int r = guarded_now(layout, reading, &guarded_ns);

        if (r < 0)
                return r;
        if (fence_tick >= id_tick_max(layout))
                return -ERANGE;
        *guard = (struct guard){
                .line = {
                        .boot_base_ns = reading->boottime_ns,
                        .guarded_base_ns = guarded_ns,
                        .slew_end_boot_ns = reading->boottime_ns,
                },
                .not_before_tick = first_tick_above(fence_tick),
        };
        return 0;
}

void guard_resume(struct guard *guard, const struct clock_line *line, uint64_t fence_tick) {
        *guard = (struct guard){ .line = *line, .not_before_tick = first_tick_above(fence_tick) };
}

bool guard_ready(const struct guard *guard, int64_t boottime_ns, int64_t *ret_resume_boot_ns) {
        uint64_t tick = guard_tick(guard, boottime_ns);

        /* CLOCK_NOW_INVALID, a time before the epoch, is the largest number */
        if (tick != CLOCK_NOW_INVALID && tick >= guard->not_before_tick)
                return true;
        *ret_resume_boot_ns = clock_line_boot_of(&guard->line, guard->not_before_tick);
        return false;
}

uint64_t guard_tick(const struct guard *guard, int64_t boottime_ns) {
        return clock_tick_of(clock_line_at(&guard->line, boottime_ns));
}
