/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/troubles.h"

#include <stdbool.h>
#include <stdlib.h>

#include "libclient/exporter/html.h"

#define RECENT_MS 600000
#define SNAPSHOT_OLD_MS 10000
#define OFFSET_MS 1000

typedef bool trouble_function(const struct sample *sample, const struct rates *rates);

static const struct statistics_counters *counters(const struct sample *sample) {
        return &sample->statistics.header.counters;
}

static bool is_old(const struct sample *sample, const struct rates *rates) {
        (void)rates;
        return sample->state == SAMPLE_RUNNING && sample_age_ms(sample) > SNAPSHOT_OLD_MS;
}

static bool is_near_fence(const struct sample *sample, const struct rates *rates) {
        int64_t ahead_ms = sample_fence_ahead_ms(sample);

        (void)rates;
        return counters(sample)->horizon_ms > 0 && ahead_ms != SAMPLE_UNKNOWN &&
               ahead_ms < counters(sample)->horizon_ms / 3;
}

static bool is_off(const struct sample *sample, const struct rates *rates) {
        (void)rates;
        return llabs(sample->offset_ms) > OFFSET_MS;
}

static bool was_set_back(const struct sample *sample, const struct rates *rates) {
        int64_t last_ms = counters(sample)->clock_last_rollback_unix_ms;

        (void)rates;
        return last_ms > 0 && sample->guarded_unix_ms != SAMPLE_UNKNOWN &&
               sample->guarded_unix_ms - last_ms < RECENT_MS;
}

static bool is_saturated(const struct sample *sample, const struct rates *rates) {
        double space = (double)((uint64_t)sample->worker_count << sample->layout.sequence_bits) *
                       1000;

        return rates->known && rates->ids > 0.9 * space;
}

static bool has_conflict(const struct sample *sample, const struct rates *rates) {
        (void)rates;
        return counters(sample)->worker_conflicts_lost > 0;
}

static bool is_nearly_full(const struct sample *sample, const struct rates *rates) {
        const struct statistics_counters *c = counters(sample);
        int64_t all = c->region_workers_held + c->region_workers_resting +
                      c->region_workers_refused + c->region_workers_free;

        (void)rates;
        return all > 0 && c->region_workers_free < all / 20;
}

static bool lost_log(const struct sample *sample, const struct rates *rates) {
        (void)rates;
        return counters(sample)->log_dropped > 0;
}

static const struct trouble {
        trouble_function *is;
        enum metric metric;
        const char *what;
} troubles[] = {
        { is_old, METRIC_AGE, "the statistics are old" },
        { is_near_fence, METRIC_FENCE_AHEAD, "the fence is near: IDs end with it" },
        { is_off, METRIC_OFFSET, "times in IDs differ from the wall clock" },
        { was_set_back, METRIC_ROLLBACKS, "the wall clock was set back in the last ten minutes" },
        { is_saturated, METRIC_SPACE, "the worker IDs are used up: calls wait" },
        { has_conflict, METRIC_CONFLICTS, "worker IDs were lost to another host" },
        { is_nearly_full, METRIC_REGION_WORKERS, "few worker IDs of the region are free" },
        { lost_log, METRIC_LOG_DROPPED, "log lines were lost" },
};

static const char *const actions[METRICS] = {
#define ACTION(identifier, name, type, label, help, action) action,
        METRICS_FAMILIES(ACTION)
#undef ACTION
};

unsigned troubles_print(FILE *out, const struct sample *sample, const struct rates *rates) {
        unsigned n = 0;

        if (sample->no_statistics[0] != '\0') {
                fputs("<li>", out);
                html_text(out, sample->no_statistics);
                fputs("</li>\n", out);
                n++;
        }
        for (size_t i = 0; sample->has_statistics && i < sizeof(troubles) / sizeof(troubles[0]); i++)
                if (troubles[i].is(sample, rates)) {
                        fprintf(out, "<li><b>%s</b>. What to do: ", troubles[i].what);
                        html_text(out, actions[troubles[i].metric]);
                        fputs("</li>\n", out);
                        n++;
                }
        return n;
}
