/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/lease/fleet/choose.h"
#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/util/log.h"

void fleet_report_region(const struct fleet *f, const struct fleet_view *view) {
        struct fleet_census census = fleet_census(
                view, fleet_tick_now(f), fleet_recycle_ticks(f));
        struct lease_counters *counters = f->parts.counters;

        /* relaxed, all: numbers to look at */
        atomic_store_explicit(&counters->held, census.held, memory_order_relaxed);
        atomic_store_explicit(&counters->resting, census.resting, memory_order_relaxed);
        atomic_store_explicit(&counters->refused, census.refused, memory_order_relaxed);
        atomic_store_explicit(&counters->free, census.free, memory_order_relaxed);
}

void fleet_report_renewal(const struct fleet *f, int64_t sent_ns) {
        struct lease_counters *counters = f->parts.counters;
        int64_t took_ns = fleet_boot_ns(f) - sent_ns;
        unsigned bucket = 0;

        while (bucket < RENEWAL_BUCKETS - 1 && took_ns > (int64_t)renewal_bucket_ns[bucket])
                bucket++;
        fleet_count(&counters->renewals);
        fleet_count(&counters->renewal[bucket]);
        /* relaxed: a number to look at */
        atomic_fetch_add_explicit(&counters->renewal_ns, took_ns, memory_order_relaxed);
}

void fleet_report_claim(const struct fleet *f, const struct lease_grant *grant) {
        char *workers = worker_set_text(&f->record.workers), time[FENCE_TIME_SIZE], above[96];

        snprintf(above, sizeof(above), "above the fence of tick %" PRIu64 " (%s)",
                 grant->fence_tick,
                 fence_time(&f->parts.space.layout, grant->fence_tick, time));
        log_event(LOG_LEVEL_INFO, "lease-claimed", "took worker IDs %s of region %" PRIu32 ", %"
                  PRIu32 " to %" PRIu32 " in an ID, %s",
                  workers != NULL ? workers : "?", f->parts.space.region, grant->worker_first,
                  grant->worker_first + grant->worker_count - 1,
                  grant->fence_tick == 0 ? "never used before" : above);
        free(workers);
}
