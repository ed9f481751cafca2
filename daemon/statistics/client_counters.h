/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A client's own counters. The client can write their pages: they are read by pread()
 * only, and a value counts only if it grows and is possible (rule 13).
 */
#include <stdint.h>

#include "daemon/client/client.h"
#include "shm/id.h"
#include "shm/pages.h"

/* Indexes of one array, so that all values are treated alike. */
enum statistics_value {
        STATISTICS_IDS,
        STATISTICS_OVERFLOWS,
        STATISTICS_OVERFLOW_WAIT_NS,
        STATISTICS_OUTCOMES, /* OVERFLOW_OUTCOMES of them */
        STATISTICS_WAITS = STATISTICS_OUTCOMES + OVERFLOW_OUTCOMES, /* histograms: buckets, sum */
        STATISTICS_WORKERS = STATISTICS_WAITS + WAIT_REASONS * (METRICS_BUCKETS + 1),
        STATISTICS_VALUES_MAX = STATISTICS_WORKERS + WORKER_COUNTERS_MAX,
};
_Static_assert(STATISTICS_WORKERS == GRANTS_COUNTED, "statistics: what the grants page keeps");

/* The worker IDs for which IDs are counted, and the width of the whole run. */
struct statistics_run {
        uint32_t worker_first;
        uint32_t worker_count; /* at most WORKER_COUNTERS_MAX */
        uint32_t sequence_bits;
        uint64_t width;
};

static inline uint32_t statistics_values(const struct statistics_run *run) {
        return STATISTICS_WORKERS + run->worker_count;
}

/* Fills in statistics_values() numbers. -EIO, with nothing changed, when the page cannot
 * be read. */
int statistics_page_read(const struct client *client, const struct statistics_run *run,
                         uint64_t *values);

/* The most that a client can have counted which attached `age_ns` ago. */
uint64_t statistics_page_limit(const struct statistics_run *run, int64_t age_ns, uint32_t value);
