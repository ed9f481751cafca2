/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The statistics segment: what sfshm-stat shows. The daemon rewrites it once a second
 * while it is busy, and on REFRESH while it is idle. A snapshot is consistent: the
 * writer stores an odd sequence, the contents, then an even sequence. Readers copy and
 * compare, and report a writer that died half-way.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/id.h"
#include "shm/metrics.h"
#include "shm/pages.h"

#define STATISTICS_MAGIC "sfshmsta"
#define STATISTICS_VERSION 2u

/* The metrics that are a number of the daemon, then what only some forms show. */
struct statistics_counters {
#define STATISTICS_FIELD(name, family, label, divisor) int64_t name;
        METRICS_SERIES(STATISTICS_FIELD)
#undef STATISTICS_FIELD
        int64_t clock_state, clock_reason; /* their numbers, see shm/clock.h */
};

struct statistics_histograms {
#define STATISTICS_FIELD(name, family, label) struct histogram_values name;
        METRICS_DISTRIBUTIONS(STATISTICS_FIELD)
#undef STATISTICS_FIELD
};

struct statistics_client {
        uint64_t client;
        uint32_t pid;
        uint32_t uid;
        uint32_t lanes;
        uint32_t standing_width; /* positions of all lanes together */
        uint32_t elastic_width;
        uint32_t reserved;
        uint64_t ids;
        uint64_t overflows;
        uint64_t overflow_wait_ns;
        uint64_t attached_boot_ns;
        char comm[16]; /* /proc/PID/comm at attach, not NUL-terminated at 16 */
};
_Static_assert(sizeof(struct statistics_client) == 80, "statistics client: size");

struct statistics_segment {
        char magic[8];
        uint32_t version;
        uint32_t client_capacity;
        uint64_t size;
        uint8_t boot_id[16];
        struct id_layout layout;
        _Atomic uint64_t sequence;
        int64_t updated_boot_ns; /* CLOCK_BOOTTIME of the snapshot */
        uint32_t pid;            /* the daemon's */
        uint32_t worker_first;
        uint32_t worker_count;
        uint32_t client_count;
        uint32_t clients_offset; /* of struct statistics_client[], in bytes */
        uint32_t reserved0;
        char daemon_version[32];
        struct statistics_counters counters;
        struct statistics_histograms histograms;
        uint8_t reserved1[8192 - 128 - sizeof(struct statistics_counters) -
                          sizeof(struct statistics_histograms)];
        uint64_t worker_ids[WORKER_COUNTERS_MAX];
        /* then struct statistics_client[client_capacity] */
};
_Static_assert(offsetof(struct statistics_segment, sequence) == 56, "statistics: sequence");
_Static_assert(offsetof(struct statistics_segment, updated_boot_ns) == 64, "statistics: updated");
_Static_assert(offsetof(struct statistics_segment, daemon_version) == 96, "statistics: version");
_Static_assert(offsetof(struct statistics_segment, counters) == 128, "statistics: counters");
_Static_assert(offsetof(struct statistics_segment, worker_ids) == 8192, "statistics: worker_ids");

static inline uint64_t statistics_segment_size(uint32_t client_capacity) {
        return sizeof(struct statistics_segment) +
               (uint64_t)client_capacity * sizeof(struct statistics_client);
}
