/* SPDX-License-Identifier: MIT */
#include "bench/support/width.h"

#include <time.h>

static int64_t clock_ns(clockid_t clock) {
        struct timespec ts;

        clock_gettime(clock, &ts);
        return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

uint64_t tick_now(const struct clock_segment *clock) {
        struct clock_reading reading;

        return clock_tick_of(clock_read(clock, clock_ns, &reading));
}

uint32_t width_at(const struct grants_page *page, uint64_t tick) {
        uint32_t widest = 0;

        for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                struct rectangle r;

                if (slot_read(&page->slots[0][i], &r) && rectangle_at(&r, tick) &&
                    r.width > widest)
                        widest = r.width;
        }
        return widest;
}
