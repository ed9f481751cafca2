/* SPDX-License-Identifier: MIT */
#include "daemon/clock/step_watch.h"

#include <time.h>

/* By more than a slew does, plus `unsure_ns`. */
static bool moved(const struct wall_clock_offset *from, const struct wall_clock_offset *to,
                  int64_t unsure_ns) {
        int64_t by_ns;

        if (__builtin_sub_overflow(to->offset_ns, from->offset_ns, &by_ns) || by_ns == INT64_MIN)
                return true;
        by_ns = by_ns < 0 ? -by_ns : by_ns;
        return by_ns > unsure_ns && by_ns - unsure_ns > STEP_WATCH_MIN_NS;
}

void step_watch_init(struct step_watch *watch, const struct wall_clock_calls *calls) {
        watch->calls = calls;
        watch->last = wall_clock_offset(calls);
}

/* Follows a slew. A reading that was widened by preemption changes nothing. */
static void follow(struct step_watch *watch, const struct wall_clock_offset *seen) {
        if (seen->width_ns < WALL_CLOCK_NARROW_NS || seen->width_ns <= watch->last.width_ns)
                watch->last = *seen;
}

bool step_watch_look(struct step_watch *watch, int64_t boot_ns) {
        int64_t realtime_ns = watch->calls->clock_ns(CLOCK_REALTIME);
        int64_t after_ns = watch->calls->clock_ns(CLOCK_BOOTTIME);
        struct wall_clock_offset seen = wall_clock_offset_of(boot_ns, realtime_ns, after_ns);

        if (!moved(&watch->last, &seen, 0)) {
                follow(watch, &seen);
                return false;
        }
        seen = wall_clock_offset(watch->calls);
        /* by more than the two brackets can explain */
        if (!moved(&watch->last, &seen, watch->last.width_ns / 2 + seen.width_ns / 2)) {
                follow(watch, &seen);
                return false;
        }
        watch->last = seen;
        return true;
}
