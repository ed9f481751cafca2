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
#include "shm/pages.h"

#define STATISTICS_MAGIC "sfshmsta"
#define STATISTICS_VERSION 1u

/*
 * Every counter is declared once, here: struct, tool, Prometheus text and manual page
 * follow from it. COUNTER(name, Prometheus name, type, unit divisor, help)
 * The value is an int64; Prometheus sees value / divisor. The Prometheus name may end with a
 * label and its value; the counters of one name follow each other, and the first has the help.
 */
#define STATISTICS_COUNTERS(COUNTER) \
        COUNTER(overflows, "sfshm_overflows_total", "counter", 1, \
                "Calls that found their lane's tick used up.") \
        COUNTER(overflow_wait_ns, "sfshm_overflow_wait_seconds_total", "counter", 1000000000, \
                "Time that calls spent waiting for the next tick.") \
        COUNTER(attaches, "sfshm_attaches_total", "counter", 1, "Clients that attached.") \
        COUNTER(refusals, "sfshm_attach_refusals_total", "counter", 1, \
                "Attach requests refused because of a limit, a version or a lack of positions.") \
        COUNTER(protocol_errors, "sfshm_protocol_errors_total", "counter", 1, \
                "Connections closed because of a message that violates the protocol.") \
        COUNTER(hints, "sfshm_hints_total", "counter", 1, "WANT messages received.") \
        COUNTER(grants, "sfshm_grants_total", "counter", 1, "Reservations granted.") \
        COUNTER(extensions, "sfshm_extensions_total", "counter", 1, "Reservations extended.") \
        COUNTER(wakeups, "sfshm_wakeups_total", "counter", 1, "Times the ledger thread woke up.") \
        COUNTER(ticks, "sfshm_ticks_total", "counter", 1, "Ticks that the ticker published.") \
        COUNTER(ticks_late, "sfshm_ticks_late_total", "counter", 1, \
                "Ticks that the ticker skipped because it woke up too late.") \
        COUNTER(clients, "sfshm_clients", "gauge", 1, "Attached clients.") \
        COUNTER(lanes, "sfshm_lanes", "gauge", 1, "Lanes of the attached clients.") \
        COUNTER(positions_standing, "sfshm_positions_standing", "gauge", 1, \
                "Positions held by standing reservations.") \
        COUNTER(positions_elastic, "sfshm_positions_elastic", "gauge", 1, \
                "Positions held by elastic reservations.") \
        COUNTER(positions, "sfshm_positions", "gauge", 1, "Positions of the leased run.") \
        COUNTER(ticker_running, "sfshm_ticker_running", "gauge", 1, \
                "1 while the ticker runs, 0 while it is idle.") \
        COUNTER(fence_unix_ms, "sfshm_fence_timestamp_seconds", "gauge", 1000, \
                "Time up to which IDs may have been issued: the durable fence.") \
        COUNTER(start_unix_ms, "sfshm_start_timestamp_seconds", "gauge", 1000, \
                "When the daemon started.") \
        COUNTER(clock_rollbacks, "sfshm_clock_rollbacks_total", "counter", 1, \
                "Times the wall clock was found behind by more than a small difference.") \
        COUNTER(clock_forward_steps, "sfshm_clock_forward_steps_total", "counter", 1, \
                "Forward steps of the wall clock that were followed.") \
        COUNTER(clock_holds, "sfshm_clock_holds_total", "counter", 1, \
                "Forward steps of the wall clock that were not followed.") \
        COUNTER(clock_offset_ns, "sfshm_clock_offset_seconds", "gauge", 1000000000, \
                "Guarded time minus wall clock.") \
        COUNTER(clock_state, "sfshm_clock_state", "gauge", 1, \
                "0 starting, 1 running, 2 waiting, 3 failed.") \
        COUNTER(clock_reason, "sfshm_clock_reason", "gauge", 1, \
                "The reason's number in sfshm-clock(7).") \
        COUNTER(memory_bytes, "sfshm_client_memory_bytes", "gauge", 1, \
                "Shared memory held for clients.") \
        COUNTER(worker_claims, "sfshm_worker_claims_total", "counter", 1, \
                "Runs of worker IDs claimed from the coordinator.") \
        COUNTER(worker_conflicts_race, "sfshm_worker_conflicts_total{kind=\"race\"}", "counter", 1, \
                "Claims and worker IDs lost to other hosts, by all daemons since the boot.") \
        COUNTER(worker_conflicts_lost, "sfshm_worker_conflicts_total{kind=\"lost\"}", "counter", 1, "") \
        COUNTER(lease_renewals, "sfshm_lease_renewals_total", "counter", 1, \
                "Renewals of the lease by the coordinator.") \
        COUNTER(lease_failures, "sfshm_lease_renewal_failures_total", "counter", 1, \
                "Renewals of the lease that failed.") \
        COUNTER(lease_expiry_unix_ms, "sfshm_lease_expiry_timestamp_seconds", "gauge", 1000, \
                "When the lease ends unless it is renewed; 0 without a coordinator.") \
        COUNTER(coordinator_errors, "sfshm_coordinator_errors_total", "counter", 1, \
                "Requests that the coordinator refused or did not answer.") \
        COUNTER(coordinator_breakers, "sfshm_coordinator_breakers_open", "gauge", 1, \
                "Endpoints of etcd skipped for a while; those of ZooKeeper are tried in turn.") \
        COUNTER(lease_renewal_ns, "sfshm_lease_renewal_seconds_total", "counter", 1000000000, \
                "Time that renewals of the lease took.") \
        COUNTER(lease_expirations, "sfshm_lease_expirations_total", "counter", 1, \
                "Times the lease ended without a release.") \
        COUNTER(worker_waits, "sfshm_worker_claim_waits_total", "counter", 1, \
                "Claims that found no run of worker IDs free.") \
        COUNTER(region_workers_held, "sfshm_region_workers{state=\"held\"}", "gauge", 1, \
                "Worker IDs of the region by state, counted at the first and each tenth renewal.") \
        COUNTER(region_workers_resting, "sfshm_region_workers{state=\"resting\"}", "gauge", 1, "") \
        COUNTER(region_workers_refused, "sfshm_region_workers{state=\"refused\"}", "gauge", 1, "") \
        COUNTER(region_workers_free, "sfshm_region_workers{state=\"free\"}", "gauge", 1, "") \
        COUNTER(fence_ahead_ms, "sfshm_fence_ahead_seconds", "gauge", 1000, \
                "How far the fence is ahead of the daemon's clock.") \
        COUNTER(region, "sfshm_region", "gauge", 1, "Region of the worker IDs.") \
        COUNTER(log_dropped, "sfshm_log_dropped_total", "counter", 1, \
                "Log lines lost because standard error could not take them.")

/*
 * The metrics that are no counter of the segment, declared once as well.
 * METRIC(identifier, Prometheus name, label or "", type, help)
 */
#define STATISTICS_METRICS(METRIC) \
        METRIC(UP, "sfshm_up", "", "gauge", \
               "1 if the daemon answers, 0 if it is dead or does not answer.") \
        METRIC(AGE, "sfshm_snapshot_age_seconds", "", "gauge", \
               "How old the statistics are, and with them all metrics but sfshm_up.") \
        METRIC(BUILD, "sfshm_build_info", "version", "gauge", "1, with the daemon's version.") \
        METRIC(IDS, "sfshm_ids_total", "worker", "counter", "IDs allocated.") \
        METRIC(OVERFLOW, "sfshm_overflow_wait_seconds", "", "histogram", \
               "How long calls waited because their lane's tick was used up.") \
        METRIC(RENEWAL, "sfshm_lease_renewal_seconds", "", "histogram", \
               "How long renewals of the lease took, from the first request on.")

/* Upper bounds of the histogram of renewals, in ns. One more bucket lies above. */
#define RENEWAL_BUCKETS 12u
static const uint64_t renewal_bucket_ns[RENEWAL_BUCKETS - 1] = {
        1000000, 2000000, 5000000, 10000000, 20000000, 50000000,
        100000000, 200000000, 500000000, 1000000000, 5000000000,
};

struct statistics_counters {
#define STATISTICS_FIELD(name, prometheus, type, divisor, help) int64_t name;
        STATISTICS_COUNTERS(STATISTICS_FIELD)
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
        uint64_t overflow_wait[OVERFLOW_BUCKETS];
        uint64_t lease_renewal[RENEWAL_BUCKETS]; /* renewals by how long they took */
        struct statistics_counters counters;
        uint8_t reserved1[4096 - 128 - 8 * OVERFLOW_BUCKETS - 8 * RENEWAL_BUCKETS -
                          sizeof(struct statistics_counters)];
        uint64_t worker_ids[WORKER_COUNTERS_MAX];
        /* then struct statistics_client[client_capacity] */
};
_Static_assert(offsetof(struct statistics_segment, sequence) == 56, "statistics: sequence");
_Static_assert(offsetof(struct statistics_segment, updated_boot_ns) == 64, "statistics: updated");
_Static_assert(offsetof(struct statistics_segment, daemon_version) == 96, "statistics: version");
_Static_assert(offsetof(struct statistics_segment, overflow_wait) == 128, "statistics: histogram");
_Static_assert(offsetof(struct statistics_segment, lease_renewal) == 224, "statistics: renewals");
_Static_assert(offsetof(struct statistics_segment, worker_ids) == 4096, "statistics: worker_ids");

static inline uint64_t statistics_segment_size(uint32_t client_capacity) {
        return sizeof(struct statistics_segment) +
               (uint64_t)client_capacity * sizeof(struct statistics_client);
}
