/* SPDX-License-Identifier: MIT */
#include "libclient/observe/prometheus.h"

#include <inttypes.h>
#include <string.h>

#include "libclient/observe/print.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define TICKS_PER_SECOND 1000

static const struct family {
        const char *name, *label, *help;
} families[METRICS] = {
#define FAMILY(identifier, name, type, label, help, action) { name, label, help },
        METRICS_FAMILIES(FAMILY)
#undef FAMILY
};

static const struct series {
        enum metric metric;
        size_t offset; /* in struct statistics_counters */
        const char *value; /* of the label */
        int64_t divisor;
} series[] = {
#define SERIES(field, family, value, divisor) \
        { METRIC_##family, offsetof(struct statistics_counters, field), value, divisor },
        METRICS_SERIES(SERIES)
#undef SERIES
};

static const struct distribution {
        enum metric metric;
        size_t offset; /* in struct statistics_histograms */
        const char *value;
} distributions[] = {
#define DISTRIBUTION(field, family, value) \
        { METRIC_##family, offsetof(struct statistics_histograms, field), value },
        METRICS_DISTRIBUTIONS(DISTRIBUTION)
#undef DISTRIBUTION
};

static void print_about(FILE *out, enum metric metric) {
        static const char *const types[] = { [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge",
                                             [METRIC_HISTOGRAM] = "histogram" };
        const struct family *family = &families[metric];

        fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                types[metric_types[metric]]);
}

/* NAME or NAME{LABEL="VALUE"}, and a space. */
static void print_name(FILE *out, enum metric metric, const char *value) {
        const struct family *family = &families[metric];

        if (value[0] == '\0')
                fprintf(out, "%s ", family->name);
        else
                fprintf(out, "%s{%s=\"%s\"} ", family->name, family->label, value);
}

static void print_integer(FILE *out, enum metric metric, const char *value, int64_t number) {
        print_name(out, metric, value);
        fprintf(out, "%" PRId64 "\n", number);
}

/* ---- what is no number of the segment */

static void print_state(FILE *out, const struct sample *sample) {
        print_about(out, METRIC_STATE);
        for (unsigned i = 0; i < SAMPLE_STATES; i++)
                print_integer(out, METRIC_STATE, sample_state_names[i].json, sample->state == i);
}

/* Of a daemon that is not up the clock says why nothing happened last. */
static void print_reason(FILE *out, const struct sample *sample) {
        if (!sample->has_clock || !sample_is_up(sample))
                return;
        print_about(out, METRIC_REASON);
        for (uint32_t i = 0; i < CLOCK_REASONS; i++)
                print_integer(out, METRIC_REASON, clock_reason_name(i), sample->reason == i);
}

static void print_age(FILE *out, const struct sample *sample) {
        int64_t age_ms = sample_age_ms(sample);

        if (age_ms == SAMPLE_UNKNOWN)
                return;
        print_about(out, METRIC_AGE);
        print_name(out, METRIC_AGE, "");
        print_scaled(out, age_ms, 1000);
        fputc('\n', out);
}

static void print_build(FILE *out, const struct sample *sample) {
        if (sample->daemon_version[0] == '\0')
                return;
        print_about(out, METRIC_BUILD);
        fprintf(out, "%s{%s=\"", families[METRIC_BUILD].name, families[METRIC_BUILD].label);
        print_plain(out, sample->daemon_version, sizeof(sample->daemon_version));
        fputs("\"} 1\n", out);
}

static void print_ids(FILE *out, const struct sample *sample) {
        const struct statistics_segment *s = &sample->statistics.header;
        char worker[16];

        if (!sample->has_statistics)
                return;
        print_about(out, METRIC_IDS);
        for (uint32_t i = 0; i < sample_workers(sample); i++) {
                if (!sample_worker_counts(sample, i))
                        continue;
                snprintf(worker, sizeof(worker), "%" PRIu32, s->worker_first + i);
                print_name(out, METRIC_IDS, worker);
                fprintf(out, "%" PRIu64 "\n", s->worker_ids[i]);
        }
}

static void print_space(FILE *out, const struct sample *sample) {
        if (!sample->has_clock)
                return;
        print_about(out, METRIC_SPACE);
        print_integer(out, METRIC_SPACE, "",
                      (int64_t)((uint64_t)sample->worker_count << sample->layout.sequence_bits) *
                              TICKS_PER_SECOND);
}

static void print_up(FILE *out, const struct sample *sample) {
        print_about(out, METRIC_UP);
        print_integer(out, METRIC_UP, "", sample_is_up(sample));
}

static void (*const computed[METRICS])(FILE *out, const struct sample *sample) = {
        [METRIC_UP] = print_up,     [METRIC_STATE] = print_state, [METRIC_AGE] = print_age,
        [METRIC_BUILD] = print_build, [METRIC_IDS] = print_ids,   [METRIC_SPACE] = print_space,
        [METRIC_REASON] = print_reason,
};

/* ---- the segment's */

static void print_series(FILE *out, const struct series *s, const struct statistics_counters *from) {
        int64_t value;

        memcpy(&value, (const char *)from + s->offset, sizeof(value));
        print_name(out, s->metric, s->value);
        print_scaled(out, value, s->divisor);
        fputc('\n', out);
}

static void print_bucket(FILE *out, const struct distribution *d, unsigned bucket, uint64_t count) {
        const struct family *family = &families[d->metric];

        fprintf(out, "%s_bucket{", family->name);
        if (d->value[0] != '\0')
                fprintf(out, "%s=\"%s\",", family->label, d->value);
        fputs("le=\"", out);
        if (bucket < METRICS_BUCKETS - 1)
                print_scaled(out, (int64_t)metrics_bound_ns[bucket], NS_PER_SECOND);
        else
                fputs("+Inf", out);
        fprintf(out, "\"} %" PRIu64 "\n", count);
}

static void print_total(FILE *out, const struct distribution *d, const char *suffix) {
        const struct family *family = &families[d->metric];

        fprintf(out, "%s%s", family->name, suffix);
        if (d->value[0] != '\0')
                fprintf(out, "{%s=\"%s\"}", family->label, d->value);
        fputc(' ', out);
}

static void print_distribution(FILE *out, const struct distribution *d,
                               const struct statistics_histograms *from) {
        struct histogram_values values;
        uint64_t count = 0;

        memcpy(&values, (const char *)from + d->offset, sizeof(values));
        for (unsigned i = 0; i < METRICS_BUCKETS; i++)
                print_bucket(out, d, i, count += values.buckets[i]);
        print_total(out, d, "_sum");
        print_scaled(out, (int64_t)values.sum_ns, NS_PER_SECOND);
        fputc('\n', out);
        print_total(out, d, "_count");
        fprintf(out, "%" PRIu64 "\n", count);
}

static void print_numbers(FILE *out, enum metric metric, const struct statistics_segment *from) {
        print_about(out, metric);
        for (size_t i = 0; i < sizeof(series) / sizeof(series[0]); i++)
                if (series[i].metric == metric)
                        print_series(out, &series[i], &from->counters);
        for (size_t i = 0; i < sizeof(distributions) / sizeof(distributions[0]); i++)
                if (distributions[i].metric == metric)
                        print_distribution(out, &distributions[i], &from->histograms);
}

/* The last statistics of a dead daemon are shown as well: sfshm_up and their age say what
 * they are, and its counters do not vanish for the time of a restart. */
void prometheus_print(FILE *out, const struct sample *sample) {
        for (enum metric metric = 0; metric < METRICS; metric++)
                if (computed[metric] != NULL)
                        computed[metric](out, sample);
                else if (sample->has_statistics)
                        print_numbers(out, metric, &sample->statistics.header);
}
