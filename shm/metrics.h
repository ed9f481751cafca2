/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Every metric is declared once, here: the statistics segment, sfshm-stat in all its forms,
 * the exporter, the manual page, the alerts and the dashboard follow from these tables.
 */
#include <stdatomic.h>
#include <stdint.h>

enum metric_type {
        METRIC_COUNTER, /* goes on over restarts of the daemon */
        METRIC_GAUGE,
        METRIC_HISTOGRAM, /* a counter as well */
};

/* FAMILY(identifier, Prometheus name, type, label or "", help, what to do) */
#define METRICS_FAMILIES(FAMILY) \
        FAMILY(UP, "sfshm_up", GAUGE, "", \
               "1 if the daemon answers, 0 if it is dead or does not answer.", \
               "0: start the daemon, or see its log") \
        FAMILY(STATE, "sfshm_state", GAUGE, "state", \
               "1 for the state of the daemon, 0 for all others.", \
               "anything but running and idle: sfshm-stat says why and what to do") \
        FAMILY(AGE, "sfshm_snapshot_age_seconds", GAUGE, "", \
               "How old the statistics are, and with them all metrics but sfshm_up and sfshm_state.", \
               "above 10 while the state is running: see the daemon's log") \
        FAMILY(BUILD, "sfshm_build_info", GAUGE, "version", "1, with the daemon's version.", "") \
        FAMILY(START, "sfshm_start_timestamp_seconds", GAUGE, "", "When the daemon started.", \
               "changes often: see why it restarts") \
        FAMILY(IDS, "sfshm_ids_total", COUNTER, "worker", "IDs allocated.", "") \
        FAMILY(SPACE, "sfshm_space_ids_per_second", GAUGE, "", \
               "IDs which the leased worker IDs allow in a second.", \
               "the rate of sfshm_ids_total stays near it: raise workers.count") \
        FAMILY(OVERFLOWS, "sfshm_overflows_total", COUNTER, "outcome", \
               "Calls that found their lane's tick used up: waited for the next one, were told to " \
               "try again, or timed out.", \
               "again and timeout grow: raise workers.count, or longer time-outs") \
        FAMILY(WAIT, "sfshm_wait_seconds", HISTOGRAM, "reason", \
               "How long calls waited, by what they waited for.", \
               "overflow: raise workers.count; grant: too many clients; attach: the daemon was away; " \
               "clock: see sfshm_clock_reason") \
        FAMILY(ATTACHES, "sfshm_attaches_total", COUNTER, "", "Clients that attached.", "") \
        FAMILY(REFUSALS, "sfshm_attach_refusals_total", COUNTER, "reason", \
               "Attach requests that were refused.", \
               "limit: see limits.*; positions: raise workers.count; resources: LimitNOFILE=, memory; " \
               "version: update the older side; clock: see sfshm_clock_reason") \
        FAMILY(PROTOCOL_ERRORS, "sfshm_protocol_errors_total", COUNTER, "", \
               "Connections closed because of a message that violates the protocol.", \
               "see the daemon's log for whose they are") \
        FAMILY(HINTS, "sfshm_hints_total", COUNTER, "", "WANT messages received.", "") \
        FAMILY(GRANTS, "sfshm_grants_total", COUNTER, "", "Reservations granted.", "") \
        FAMILY(EXTENSIONS, "sfshm_extensions_total", COUNTER, "", "Reservations extended.", "") \
        FAMILY(EXPIRED, "sfshm_expired_total", COUNTER, "", "Reservations that ran out.", "") \
        FAMILY(WAKEUPS, "sfshm_wakeups_total", COUNTER, "", "Times the ledger thread woke up.", "") \
        FAMILY(LOOP, "sfshm_loop_delay_seconds", HISTOGRAM, "", \
               "How long the ledger thread was busy at each wake-up: as long the next message waits.", \
               "above 10 ms: too little processor time, or too many clients") \
        FAMILY(TICKS, "sfshm_ticks_total", COUNTER, "", "Ticks that the ticker published.", "") \
        FAMILY(TICKS_LATE, "sfshm_ticks_late_total", COUNTER, "", \
               "Ticks that the ticker skipped because it woke up too late.", \
               "grows: give the daemon real-time priority or more processor time") \
        FAMILY(LATENESS, "sfshm_ticker_lateness_seconds", HISTOGRAM, "", \
               "How late after their beginning ticks were published.", \
               "as sfshm_ticks_late_total") \
        FAMILY(CLIENTS, "sfshm_clients", GAUGE, "", "Attached clients.", "") \
        FAMILY(LANES, "sfshm_lanes", GAUGE, "", "Lanes of the attached clients.", "") \
        FAMILY(POSITIONS, "sfshm_positions", GAUGE, "kind", \
               "Positions held by reservations of each kind.", "") \
        FAMILY(RUN, "sfshm_run_positions", GAUGE, "", "Positions of the leased run.", "") \
        FAMILY(TICKER, "sfshm_ticker_running", GAUGE, "", \
               "1 while the ticker runs, 0 while it is idle.", "") \
        FAMILY(MEMORY, "sfshm_client_memory_bytes", GAUGE, "", "Shared memory held for clients.", "") \
        FAMILY(FENCE, "sfshm_fence_timestamp_seconds", GAUGE, "", \
               "Time up to which IDs may have been issued: the durable fence.", "") \
        FAMILY(FENCE_AHEAD, "sfshm_fence_ahead_seconds", GAUGE, "", \
               "How far the fence is ahead of the daemon's clock.", \
               "below a third of the horizon: the fence is not raised, see the daemon's log") \
        FAMILY(FENCE_WRITE, "sfshm_fence_write_seconds", HISTOGRAM, "", \
               "How long writes of the fence took, failed ones too.", \
               "above 1 s: a slow disk or coordinator") \
        FAMILY(HORIZON, "sfshm_lease_horizon_seconds", GAUGE, "", \
               "How far ahead of the clock each renewal writes the fence; 0 without a coordinator.", \
               "") \
        FAMILY(ROLLBACKS, "sfshm_clock_rollbacks_total", COUNTER, "", \
               "Times the wall clock was found behind by more than a small difference.", \
               "see what sets the clock back; sfshm-clock(7)") \
        FAMILY(LAST_ROLLBACK, "sfshm_clock_last_rollback_timestamp_seconds", GAUGE, "", \
               "When the wall clock was last found behind; 0: never.", "as sfshm_clock_rollbacks_total") \
        FAMILY(FORWARD_STEPS, "sfshm_clock_forward_steps_total", COUNTER, "", \
               "Forward steps of the wall clock that were followed.", "") \
        FAMILY(HOLDS, "sfshm_clock_holds_total", COUNTER, "", \
               "Forward steps of the wall clock that were not followed.", \
               "sfshm clock accept, if the wall clock is right") \
        FAMILY(OFFSET, "sfshm_clock_offset_seconds", GAUGE, "", "Guarded time minus wall clock.", \
               "more than 1 s: check NTP") \
        FAMILY(REASON, "sfshm_clock_reason", GAUGE, "reason", \
               "1 for why the clock is in its state, 0 for all others.", "see sfshm-clock(7)") \
        FAMILY(CLAIMS, "sfshm_worker_claims_total", COUNTER, "", \
               "Runs of worker IDs claimed from the coordinator.", "") \
        FAMILY(CONFLICTS, "sfshm_worker_conflicts_total", COUNTER, "kind", \
               "Claims and worker IDs lost to other hosts.", \
               "lost grows: the coordinator lost data, or a machine was cloned") \
        FAMILY(CLAIM_WAITS, "sfshm_worker_claim_waits_total", COUNTER, "", \
               "Claims that found no run of worker IDs free.", \
               "sfshm workers shows who has them; release those of hosts that are gone") \
        FAMILY(RENEWALS, "sfshm_lease_renewals_total", COUNTER, "", \
               "Renewals of the lease by the coordinator.", "") \
        FAMILY(FAILURES, "sfshm_lease_renewal_failures_total", COUNTER, "", \
               "Renewals of the lease that failed.", "check the coordinator and the network to it") \
        FAMILY(RENEWAL, "sfshm_lease_renewal_seconds", HISTOGRAM, "", \
               "How long renewals of the lease took, from the first request on.", \
               "above 1 s: the coordinator is slow") \
        FAMILY(EXPIRY, "sfshm_lease_expiry_timestamp_seconds", GAUGE, "", \
               "When the lease ends unless it is renewed; 0 without a coordinator.", "") \
        FAMILY(EXPIRATIONS, "sfshm_lease_expirations_total", COUNTER, "", \
               "Times the lease ended without a release.", "as sfshm_lease_renewal_failures_total") \
        FAMILY(COORDINATOR_ERRORS, "sfshm_coordinator_errors_total", COUNTER, "", \
               "Requests that the coordinator refused or did not answer.", \
               "check the coordinator and the network to it") \
        FAMILY(BREAKERS, "sfshm_coordinator_breakers_open", GAUGE, "", \
               "Endpoints of etcd skipped for a while; those of ZooKeeper are tried in turn.", "") \
        FAMILY(REGION_WORKERS, "sfshm_region_workers", GAUGE, "state", \
               "Worker IDs of the region by state, counted at the first and each tenth renewal.", \
               "few are free: release those of hosts that are gone, or add a region") \
        FAMILY(REGION, "sfshm_region", GAUGE, "", "Region of the worker IDs.", "") \
        FAMILY(LOG_DROPPED, "sfshm_log_dropped_total", COUNTER, "", \
               "Log lines lost because standard error could not take them.", \
               "see who reads the log; make room")

/* SERIES(field, family, value of the label or "", divisor): an int64 of struct
 * statistics_counters; Prometheus sees value / divisor. Those of a family follow each other. */
#define METRICS_SERIES(SERIES) \
        SERIES(start_unix_ms, START, "", 1000) \
        SERIES(overflows_waited, OVERFLOWS, "waited", 1) \
        SERIES(overflows_again, OVERFLOWS, "again", 1) \
        SERIES(overflows_timeout, OVERFLOWS, "timeout", 1) \
        SERIES(attaches, ATTACHES, "", 1) \
        SERIES(refusals_limit, REFUSALS, "limit", 1) \
        SERIES(refusals_positions, REFUSALS, "positions", 1) \
        SERIES(refusals_resources, REFUSALS, "resources", 1) \
        SERIES(refusals_version, REFUSALS, "version", 1) \
        SERIES(refusals_clock, REFUSALS, "clock", 1) \
        SERIES(protocol_errors, PROTOCOL_ERRORS, "", 1) \
        SERIES(hints, HINTS, "", 1) \
        SERIES(grants, GRANTS, "", 1) \
        SERIES(extensions, EXTENSIONS, "", 1) \
        SERIES(expired, EXPIRED, "", 1) \
        SERIES(wakeups, WAKEUPS, "", 1) \
        SERIES(ticks, TICKS, "", 1) \
        SERIES(ticks_late, TICKS_LATE, "", 1) \
        SERIES(clients, CLIENTS, "", 1) \
        SERIES(lanes, LANES, "", 1) \
        SERIES(positions_standing, POSITIONS, "standing", 1) \
        SERIES(positions_elastic, POSITIONS, "elastic", 1) \
        SERIES(positions, RUN, "", 1) \
        SERIES(ticker_running, TICKER, "", 1) \
        SERIES(memory_bytes, MEMORY, "", 1) \
        SERIES(fence_unix_ms, FENCE, "", 1000) \
        SERIES(fence_ahead_ms, FENCE_AHEAD, "", 1000) \
        SERIES(horizon_ms, HORIZON, "", 1000) \
        SERIES(clock_rollbacks, ROLLBACKS, "", 1) \
        SERIES(clock_last_rollback_unix_ms, LAST_ROLLBACK, "", 1000) \
        SERIES(clock_forward_steps, FORWARD_STEPS, "", 1) \
        SERIES(clock_holds, HOLDS, "", 1) \
        SERIES(clock_offset_ns, OFFSET, "", 1000000000) \
        SERIES(worker_claims, CLAIMS, "", 1) \
        SERIES(worker_conflicts_race, CONFLICTS, "race", 1) \
        SERIES(worker_conflicts_lost, CONFLICTS, "lost", 1) \
        SERIES(worker_waits, CLAIM_WAITS, "", 1) \
        SERIES(lease_renewals, RENEWALS, "", 1) \
        SERIES(lease_failures, FAILURES, "", 1) \
        SERIES(lease_expiry_unix_ms, EXPIRY, "", 1000) \
        SERIES(lease_expirations, EXPIRATIONS, "", 1) \
        SERIES(coordinator_errors, COORDINATOR_ERRORS, "", 1) \
        SERIES(coordinator_breakers, BREAKERS, "", 1) \
        SERIES(region_workers_held, REGION_WORKERS, "held", 1) \
        SERIES(region_workers_resting, REGION_WORKERS, "resting", 1) \
        SERIES(region_workers_refused, REGION_WORKERS, "refused", 1) \
        SERIES(region_workers_free, REGION_WORKERS, "free", 1) \
        SERIES(region, REGION, "", 1) \
        SERIES(log_dropped, LOG_DROPPED, "", 1)

/* DISTRIBUTION(field, family, value of the label or "") */
#define METRICS_DISTRIBUTIONS(DISTRIBUTION) \
        DISTRIBUTION(wait_overflow, WAIT, "overflow") \
        DISTRIBUTION(wait_grant, WAIT, "grant") \
        DISTRIBUTION(wait_attach, WAIT, "attach") \
        DISTRIBUTION(wait_clock, WAIT, "clock") \
        DISTRIBUTION(loop_delay, LOOP, "") \
        DISTRIBUTION(ticker_lateness, LATENESS, "") \
        DISTRIBUTION(fence_write, FENCE_WRITE, "") \
        DISTRIBUTION(lease_renewal, RENEWAL, "")

enum metric {
#define METRIC_IDENTIFIER(identifier, name, type, label, help, action) METRIC_##identifier,
        METRICS_FAMILIES(METRIC_IDENTIFIER)
#undef METRIC_IDENTIFIER
        METRICS,
};

static const enum metric_type metric_types[METRICS] = {
#define METRIC_TYPE(identifier, name, type, label, help, action) METRIC_##type,
        METRICS_FAMILIES(METRIC_TYPE)
#undef METRIC_TYPE
};

/*
 * The buckets of all histograms: about four an octave from 64 us to 16 ms, so that a quantile
 * is known within a tenth, then one to 16 s. One more lies above.
 */
#define METRICS_BUCKETS 44u
#define METRICS_OCTAVE(n) \
        UINT64_C(64000) << (n), UINT64_C(76000) << (n), UINT64_C(91000) << (n), \
                UINT64_C(108000) << (n)
static const uint64_t metrics_bound_ns[METRICS_BUCKETS - 1] = {
        METRICS_OCTAVE(0), METRICS_OCTAVE(1), METRICS_OCTAVE(2), METRICS_OCTAVE(3),
        METRICS_OCTAVE(4), METRICS_OCTAVE(5), METRICS_OCTAVE(6), METRICS_OCTAVE(7),
        UINT64_C(64000) << 8,  UINT64_C(64000) << 9,  UINT64_C(64000) << 10,
        UINT64_C(64000) << 11, UINT64_C(64000) << 12, UINT64_C(64000) << 13,
        UINT64_C(64000) << 14, UINT64_C(64000) << 15, UINT64_C(64000) << 16,
        UINT64_C(64000) << 17, UINT64_C(64000) << 18,
};
#undef METRICS_OCTAVE

/* The bucket of a value that is at most its upper bound. */
static inline unsigned metrics_bucket(uint64_t ns) {
        unsigned bucket = 0;

        while (bucket < METRICS_BUCKETS - 1 && ns > metrics_bound_ns[bucket])
                bucket++;
        return bucket;
}

/* While it is counted. */
struct histogram {
        _Atomic uint64_t buckets[METRICS_BUCKETS];
        _Atomic uint64_t sum_ns;
};
/* As shown. */
struct histogram_values {
        uint64_t buckets[METRICS_BUCKETS];
        uint64_t sum_ns;
};
_Static_assert(sizeof(struct histogram) == 8 * (METRICS_BUCKETS + 1), "histogram: size");
_Static_assert(sizeof(struct histogram_values) == sizeof(struct histogram), "histogram: values");

/* Any thread. Negative values count as 0. */
static inline void histogram_add(struct histogram *histogram, int64_t ns) {
        uint64_t value = ns > 0 ? (uint64_t)ns : 0;

        /* relaxed, both: numbers for display, which order nothing */
        atomic_fetch_add_explicit(&histogram->buckets[metrics_bucket(value)], 1,
                                  memory_order_relaxed);
        atomic_fetch_add_explicit(&histogram->sum_ns, value, memory_order_relaxed);
}

/* Adds what was counted so far to `values`. */
static inline void histogram_read(const struct histogram *histogram,
                                  struct histogram_values *values) {
        for (unsigned i = 0; i < METRICS_BUCKETS; i++)
                values->buckets[i] +=
                        atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        values->sum_ns += atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed);
}
static inline uint64_t histogram_count(const struct histogram_values *values) {
        uint64_t count = 0;

        for (unsigned i = 0; i < METRICS_BUCKETS; i++)
                count += values->buckets[i];
        return count;
}
