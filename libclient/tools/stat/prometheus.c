/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "libclient/tools/stat/stat.h"

#define NS_PER_SECOND INT64_C(1000000000)

static void print_about(FILE *out, const char *name, const char *type, const char *help) {
        fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_counter(FILE *out, const char *name, const char *type, int64_t divisor,
                          const char *help, int64_t value) {
        /* these are the _sum of the histograms */
        if (strcmp(name, "sfshm_overflow_wait_seconds_total") == 0 ||
            strcmp(name, "sfshm_lease_renewal_seconds_total") == 0)
                return;
        print_about(out, name, type, help);
        fprintf(out, "%s ", name);
        stat_print_scaled(out, value, divisor);
        fputc('\n', out);
}

static void print_ids(FILE *out, const struct sample *sample) {
        const struct statistics_segment *s = &sample->statistics.header;

        print_about(out, "sfshm_ids_total", "counter", "IDs allocated.");
        for (uint32_t i = 0; i < sample_workers(sample); i++)
                if (sample_worker_counts(sample, i))
                        fprintf(out, "sfshm_ids_total{worker=\"%" PRIu32 "\"} %" PRIu64 "\n",
                                s->worker_first + i, s->worker_ids[i]);
}

/* `bounds` are those of all buckets but the last. */
static void print_histogram(FILE *out, const char *name, const char *help,
                            const uint64_t buckets[], const uint64_t bounds[], unsigned n,
                            int64_t sum_ns) {
        uint64_t count = 0;

        print_about(out, name, "histogram", help);
        for (unsigned i = 0; i < n; i++) {
                count += buckets[i];
                fprintf(out, "%s_bucket{le=\"", name);
                if (i < n - 1)
                        stat_print_scaled(out, (int64_t)bounds[i], NS_PER_SECOND);
                else
                        fputs("+Inf", out);
                fprintf(out, "\"} %" PRIu64 "\n", count);
        }
        fprintf(out, "%s_sum ", name);
        stat_print_scaled(out, sum_ns, NS_PER_SECOND);
        fprintf(out, "\n%s_count %" PRIu64 "\n", name, count);
}

static void print_histograms(FILE *out, const struct statistics_segment *s) {
        print_histogram(out, "sfshm_overflow_wait_seconds",
                        "How long calls waited because their lane's tick was used up.",
                        s->overflow_wait, overflow_bucket_ns, OVERFLOW_BUCKETS,
                        s->counters.overflow_wait_ns);
        print_histogram(out, "sfshm_lease_renewal_seconds",
                        "How long renewals of the lease took, from the first request on.",
                        s->lease_renewal, renewal_bucket_ns, RENEWAL_BUCKETS,
                        s->counters.lease_renewal_ns);
}

void stat_print_prometheus(FILE *out, const struct sample *sample) {
        const struct statistics_segment *s = &sample->statistics.header;

        print_about(out, "sfshm_up", "gauge", "1 while the daemon's ticker is alive.");
        fprintf(out, "sfshm_up %d\n", sample->state != SAMPLE_DEAD);
        /* a dead daemon has only this metric: old values would look as if it were alive */
        if (sample->state == SAMPLE_DEAD)
                return;
        print_about(out, "sfshm_build_info", "gauge", "1, with the daemon's version.");
        fputs("sfshm_build_info{version=\"", out);
        stat_print_plain(out, s->daemon_version, sizeof(s->daemon_version));
        fputs("\"} 1\n", out);
        print_ids(out, sample);
        print_histograms(out, s);
#define COUNTER(name, prometheus, type, divisor, help) \
        print_counter(out, prometheus, type, divisor, help, s->counters.name);
        STATISTICS_COUNTERS(COUNTER)
#undef COUNTER
}
