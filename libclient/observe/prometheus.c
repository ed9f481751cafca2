/* SPDX-License-Identifier: MIT */
#include "libclient/observe/prometheus.h"

#include <inttypes.h>
#include <string.h>

#include "libclient/observe/print.h"

#define NS_PER_SECOND INT64_C(1000000000)

enum metric {
#define METRIC_ENUM(identifier, name, label, type, help) METRIC_##identifier,
        STATISTICS_METRICS(METRIC_ENUM)
#undef METRIC_ENUM
};

static const struct metric_about {
        const char *name, *label, *type, *help;
} metrics[] = {
#define METRIC_ROW(identifier, name, label, type, help) { name, label, type, help },
        STATISTICS_METRICS(METRIC_ROW)
#undef METRIC_ROW
};

/* Without a label that may follow in it. */
static void print_about(FILE *out, const char *name, const char *type, const char *help) {
        int n = (int)strcspn(name, "{");

        fprintf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", n, name, help, n, name, type);
}

/* Returns it. */
static const struct metric_about *print_metric(FILE *out, enum metric metric) {
        const struct metric_about *about = &metrics[metric];

        print_about(out, about->name, about->type, about->help);
        return about;
}

static void print_counter(FILE *out, const char *name, const char *type, int64_t divisor,
                          const char *help, int64_t value) {
        /* these are the _sum of the histograms */
        if (strcmp(name, "sfshm_overflow_wait_seconds_total") == 0 ||
            strcmp(name, "sfshm_lease_renewal_seconds_total") == 0)
                return;
        if (help[0] != '\0') /* the first one of its name */
                print_about(out, name, type, help);
        fprintf(out, "%s ", name);
        print_scaled(out, value, divisor);
        fputc('\n', out);
}

static void print_ids(FILE *out, const struct sample *sample) {
        const struct statistics_segment *s = &sample->statistics.header;

        const struct metric_about *about = print_metric(out, METRIC_IDS);

        for (uint32_t i = 0; i < sample_workers(sample); i++)
                if (sample_worker_counts(sample, i))
                        fprintf(out, "%s{%s=\"%" PRIu32 "\"} %" PRIu64 "\n", about->name,
                                about->label, s->worker_first + i, s->worker_ids[i]);
}

/* `bounds` are those of all buckets but the last. */
static void print_histogram(FILE *out, enum metric metric, const uint64_t buckets[],
                            const uint64_t bounds[], unsigned n, int64_t sum_ns) {
        const char *name = print_metric(out, metric)->name;
        uint64_t count = 0;

        for (unsigned i = 0; i < n; i++) {
                count += buckets[i];
                fprintf(out, "%s_bucket{le=\"", name);
                if (i < n - 1)
                        print_scaled(out, (int64_t)bounds[i], NS_PER_SECOND);
                else
                        fputs("+Inf", out);
                fprintf(out, "\"} %" PRIu64 "\n", count);
        }
        fprintf(out, "%s_sum ", name);
        print_scaled(out, sum_ns, NS_PER_SECOND);
        fprintf(out, "\n%s_count %" PRIu64 "\n", name, count);
}

static void print_age(FILE *out, const struct sample *sample) {
        int64_t age_ms = sample_age_ms(sample);

        if (age_ms == SAMPLE_UNKNOWN)
                return;
        fprintf(out, "%s ", print_metric(out, METRIC_AGE)->name);
        print_scaled(out, age_ms, 1000);
        fputc('\n', out);
}

static void print_build(FILE *out, const struct sample *sample) {
        const struct metric_about *about;

        if (sample->daemon_version[0] == '\0')
                return;
        about = print_metric(out, METRIC_BUILD);
        fprintf(out, "%s{%s=\"", about->name, about->label);
        print_plain(out, sample->daemon_version, sizeof(sample->daemon_version));
        fputs("\"} 1\n", out);
}

static void print_statistics(FILE *out, const struct sample *sample) {
        const struct statistics_segment *s = &sample->statistics.header;

        print_ids(out, sample);
        print_histogram(out, METRIC_OVERFLOW, s->overflow_wait, overflow_bucket_ns,
                        OVERFLOW_BUCKETS, s->counters.overflow_wait_ns);
        print_histogram(out, METRIC_RENEWAL, s->lease_renewal, renewal_bucket_ns,
                        RENEWAL_BUCKETS, s->counters.lease_renewal_ns);
#define COUNTER(name, prometheus, type, divisor, help) \
        print_counter(out, prometheus, type, divisor, help, s->counters.name);
        STATISTICS_COUNTERS(COUNTER)
#undef COUNTER
}

/* Of a daemon that has no statistics, as while it waits for worker IDs: an alert must not miss
 * that. */
static void print_state(FILE *out, const struct sample *sample) {
        static const enum clock_state states[] = {
                [SAMPLE_STARTING] = CLOCK_STATE_STARTING, [SAMPLE_RUNNING] = CLOCK_STATE_RUNNING,
                [SAMPLE_IDLE] = CLOCK_STATE_RUNNING,      [SAMPLE_WAITING] = CLOCK_STATE_WAITING,
                [SAMPLE_FAILED] = CLOCK_STATE_FAILED,
        };
        const struct statistics_counters c = {
                .clock_state = states[sample->state],
                .clock_reason = sample->reason,
        };

#define COUNTER(name, prometheus, type, divisor, help) \
        if (offsetof(struct statistics_counters, name) == \
                    offsetof(struct statistics_counters, clock_state) || \
            offsetof(struct statistics_counters, name) == \
                    offsetof(struct statistics_counters, clock_reason)) \
                print_counter(out, prometheus, type, divisor, help, c.name);
        STATISTICS_COUNTERS(COUNTER)
#undef COUNTER
}

/* The last statistics of a dead daemon are shown as well: sfshm_up and their age say what
 * they are, and its counters do not vanish for the time of a restart. */
void prometheus_print(FILE *out, const struct sample *sample) {
        fprintf(out, "%s %d\n", print_metric(out, METRIC_UP)->name, sample_is_up(sample));
        print_age(out, sample);
        print_build(out, sample);
        if (sample->has_statistics)
                print_statistics(out, sample);
        else if (sample->has_clock && sample_is_up(sample))
                print_state(out, sample);
}
