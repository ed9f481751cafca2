/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "daemon/statistics/client_counters.h"
#include "shm/clock.h"

/* Rule 13: every position of every tick since the attach, and two seconds. */
Test(client_counters, what_is_plausible) {
        const struct statistics_run run = {
                .worker_first = 8, .worker_count = 4, .sequence_bits = 12, .width = 4 * 4096
        };

        cr_assert(statistics_page_limit(&run, NS_PER_TICK * 1000, STATISTICS_IDS) >= 16384 * 1000);
        cr_assert(statistics_page_limit(&run, 0, STATISTICS_IDS) <= 16384 * 2100);
        cr_assert(statistics_page_limit(&run, -1, STATISTICS_WORKERS) <= 4096 * 2100);
        cr_assert(statistics_page_limit(&run, INT64_MAX, STATISTICS_IDS) <= INT64_MAX);
        cr_assert(statistics_page_limit(&run, INT64_MAX, STATISTICS_OVERFLOW_WAIT_NS) <= INT64_MAX);
}
