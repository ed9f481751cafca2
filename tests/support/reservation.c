/* SPDX-License-Identifier: MIT */
#include "tests/support/reservation.h"

#include <criterion/criterion.h>
#include <time.h>

#include "libclient/handle.h"
#include "shm/clock.h"
#include "tests/support/private_daemon.h"

#define LIMIT_NS INT64_C(60000000000)

static int64_t clock_ns(clockid_t clock) {
        struct timespec ts;

        clock_gettime(clock, &ts);
        return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static uint64_t lane_end(const struct grants_page *grants, uint32_t lane) {
        uint64_t end = 0;

        for (unsigned i = SLOT_STANDING_A; i <= SLOT_STANDING_B; i++) {
                struct rectangle r;

                if (slot_read(&grants->slots[lane][i], &r) && r.t1 > end)
                        end = r.t1;
        }
        return end;
}

int64_t reservation_left_ms(const sfshm *s) {
        const struct attachment *a = atomic_load_explicit(&s->attachment, memory_order_acquire);
        const struct clock_segment *clock = attachment_clock(a);
        const struct grants_page *grants = attachment_grants(a);
        struct clock_reading reading;
        uint64_t now = clock_tick_of(clock_read(clock, clock_ns, &reading)), end = UINT64_MAX;

        if (atomic_load(&a->generation) != atomic_load(&clock->generation))
                return 0;
        for (uint32_t lane = 0; lane < grants->lanes; lane++)
                if (lane_end(grants, lane) < end)
                        end = lane_end(grants, lane);
        return end > now ? (int64_t)(end - now) : 0;
}

void reservation_take_until(sfshm *s, int64_t left_ms) {
        int64_t until = test_monotonic_ns() + LIMIT_NS;
        uint64_t id, last = 0;

        do {
                for (int i = 0; i < 100; i++, last = id) {
                        int r = sfshm_next(s, &id);

                        cr_assert_eq(r, 0, "%s", sfshm_strerror(r));
                        cr_assert_gt(id, last);
                }
                cr_assert_lt(test_monotonic_ns(), until, "the reservation reaches only %ld ms",
                             (long)reservation_left_ms(s));
        } while (reservation_left_ms(s) < left_ms);
}
