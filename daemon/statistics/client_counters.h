/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a client's own counters say, as far as it can be true. The pages are the
 * client's to write: they are read by pread only, and what they say is believed
 * only if it grows and is plausible (rule 13).
 */
#include <stdint.h>

#include "daemon/client/client.h"
#include "shm/id.h"
#include "shm/pages.h"

/* One number each, so that all are treated alike. */
enum statistics_value {
        STATISTICS_IDS,
        STATISTICS_OVERFLOWS,
        STATISTICS_OVERFLOW_WAIT_NS,
        STATISTICS_OVERFLOW_BUCKETS,
        STATISTICS_WORKERS = STATISTICS_OVERFLOW_BUCKETS + OVERFLOW_BUCKETS,
        STATISTICS_VALUES_MAX = STATISTICS_WORKERS + WORKER_COUNTERS_MAX,
};

/* The workers whose IDs are counted, and the width of the whole run. */
struct statistics_run {
        uint32_t worker_first;
        uint32_t worker_count; /* counted ones, <= WORKER_COUNTERS_MAX */
        uint32_t sequence_bits;
        uint64_t width;
};

static inline uint32_t statistics_values(const struct statistics_run *run) {
        return STATISTICS_WORKERS + run->worker_count;
}

/* Fills in statistics_values() numbers. -EIO, and nothing is changed, when the
 * page cannot be read. */
int statistics_page_read(const struct client *client, const struct statistics_run *run,
                         uint64_t *values);

/* The most that a client attached `age_ns` ago can have counted. */
uint64_t statistics_page_limit(const struct statistics_run *run, int64_t age_ns, uint32_t value);
