/* SPDX-License-Identifier: MIT */
#include "bench/support/measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shm/process/process.h"

/* Every benchmark reports by this module, so none begins otherwise. */
__attribute__((constructor)) static void measure_begin(void) {
        process_begin();
}

static const char *program_name = "bench";

int64_t now_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

void sleep_until_ns(int64_t at_ns) {
        struct timespec ts = { .tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S };

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
                ;
}

void sleep_ns(int64_t ns) {
        sleep_until_ns(now_ns() + ns);
}

void fail(const char *what, int error) {
        fprintf(stderr, "bench-%s: %s%s%s\n", program_name, what, error != 0 ? ": " : "",
                error != 0 ? sfshm_strerror(error) : "");
        exit(1);
}

sfshm *open_or_die(unsigned flags) {
        sfshm *s = NULL;
        int r = sfshm_open(&s, NULL, flags);

        if (r < 0)
                fail("cannot open a handle at $SFSHM_SOCKET", r);
        return s;
}

void warm_up(sfshm *s, int64_t ns) {
        int64_t until = now_ns() + ns;
        uint64_t id;

        while (now_ns() < until)
                for (int i = 0; i < 1000; i++) {
                        int r = sfshm_next(s, &id);

                        if (r < 0)
                                fail("sfshm_next", r);
                }
}

static int compare(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

double percentile(double *values, size_t n, double part) {
        size_t at = (size_t)((double)n * part);

        qsort(values, n, sizeof(*values), compare);
        return values[at < n ? at : n - 1];
}

double median(double *values, size_t n) {
        return percentile(values, n, 0.5);
}

static const char *const relations[] = { "", "<=", "<", ">=" };

static bool met(double value, struct target target) {
        switch (target.kind) {
        case AT_MOST:
                return value <= target.value;
        case BELOW:
                return value < target.value;
        case AT_LEAST:
                return value >= target.value;
        default:
                return true;
        }
}

/* Three digits that say something, and no exponents. */
static int decimals(double value) {
        double size = value < 0 ? -value : value;

        return size >= 100 || size == 0 ? 0 : size >= 10 ? 1 : size >= 0.01 ? 2 : 4;
}

static FILE *raw_file(void) {
        const char *path = getenv("SFSHM_BENCH_RAW");
        FILE *file = path != NULL ? fopen(path, "ae") : NULL;

        if (path != NULL && file == NULL)
                fail("cannot write the file $SFSHM_BENCH_RAW", -errno);
        return file;
}

static void raw_begin(FILE *file, const char *what, const char *unit) {
        fprintf(file, "{\"program\": \"%s\", \"figure\": \"%s\", \"unit\": \"%s\"", program_name,
                what, unit);
}

static void write_raw(const char *what, double value, const char *unit, struct target target,
                      const double *values, size_t n) {
        FILE *file = raw_file();

        if (file == NULL)
                return;
        raw_begin(file, what, unit);
        fprintf(file, ", \"value\": %.9g", value);
        if (target.kind != NO_TARGET)
                fprintf(file, ", \"target\": \"%s %.9g\", \"met\": %s", relations[target.kind],
                        target.value, met(value, target) ? "true" : "false");
        for (size_t i = 0; i < n; i++)
                fprintf(file, "%s%.9g", i == 0 ? ", \"values\": [" : ", ", values[i]);
        fprintf(file, "%s}\n", n > 0 ? "]" : "");
        fclose(file);
}

void report_title(const char *program, const char *title) {
        program_name = program;
        printf("\n%s: %s\n", program, title);
        fflush(stdout);
}

void report_values(const char *what, double value, const char *unit, struct target target,
                   const double *values, size_t n) {
        printf("  %-58s %9.*f %-9s", what, decimals(value), value, unit);
        if (target.kind != NO_TARGET)
                printf(" target %2s %-6g %s", relations[target.kind], target.value,
                       met(value, target) ? "met" : "MISSED");
        printf("\n");
        fflush(stdout);
        write_raw(what, value, unit, target, values, n);
}

void report(const char *what, double value, const char *unit, struct target target) {
        report_values(what, value, unit, target, NULL, 0);
}

void latencies_merge(struct latencies *into, const struct latencies *from) {
        into->count += from->count;
        if (from->max_ns > into->max_ns)
                into->max_ns = from->max_ns;
        for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
                into->buckets[i] += from->buckets[i];
}

/* The highest value that latencies_bucket() puts there. */
static uint64_t bucket_end(uint32_t bucket) {
        uint32_t shift = (bucket >> HISTOGRAM_SHIFT) > 0 ? (bucket >> HISTOGRAM_SHIFT) - 1 : 0;
        uint64_t mantissa = bucket - ((uint64_t)shift << HISTOGRAM_SHIFT);

        return ((mantissa + 1) << shift) - 1;
}

uint64_t latencies_at(const struct latencies *h, double part) {
        uint64_t rank = (uint64_t)((double)h->count * part), seen = 0;

        for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                seen += h->buckets[i];
                if (seen > rank)
                        return bucket_end(i) < h->max_ns ? bucket_end(i) : h->max_ns;
        }
        return h->max_ns;
}

static void write_buckets(const char *what, const struct latencies *h) {
        FILE *file = raw_file();
        const char *before = "";

        if (file == NULL)
                return;
        raw_begin(file, what, "ns");
        fprintf(file, ", \"count\": %" PRIu64 ", \"max\": %" PRIu64 ", \"buckets_up_to\": [",
                h->count, h->max_ns);
        for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
                if (h->buckets[i] == 0)
                        continue;
                fprintf(file, "%s[%" PRIu64 ", %" PRIu64 "]", before, bucket_end(i), h->buckets[i]);
                before = ", ";
        }
        fprintf(file, "]}\n");
        fclose(file);
}

void latencies_report(const char *what, const struct latencies *h, struct target max_target) {
        static const struct {
                const char *name;
                double part;
        } parts[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 },
                      { "p99.99", 0.9999 } };
        char name[128];

        write_buckets(what, h);
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
                snprintf(name, sizeof(name), "%s, %s", what, parts[i].name);
                report(name, (double)latencies_at(h, parts[i].part) / 1e3, "us", TARGET_NONE);
        }
        snprintf(name, sizeof(name), "%s, max of %" PRIu64, what, h->count);
        report(name, (double)h->max_ns / 1e3, "us", max_target);
}
