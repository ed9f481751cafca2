/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What every benchmark needs: clocks, medians, histograms, and one way to say
 * a figure: a line for people on stdout, and one JSON object for each figure
 * in the file $SFSHM_BENCH_RAW, if that is set. Targets are printed beside the
 * figures; nothing is asserted.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sfshm.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

int64_t now_ns(void); /* CLOCK_MONOTONIC */
void sleep_ns(int64_t ns);
void sleep_until_ns(int64_t at_ns);

/* Does not return. `error` is a negative errno value, or 0 for none. */
_Noreturn void fail(const char *what, int error);

sfshm *open_or_die(unsigned flags);
/* Calls sfshm_next() for so long: the daemon sees a busy lane and widens it. */
void warm_up(sfshm *s, int64_t ns);

/* Both sort `values`. `part` is 0.5 for the median, 0.99, ... */
double median(double *values, size_t n);
double percentile(double *values, size_t n, double part);

struct target {
        enum { NO_TARGET, AT_MOST, BELOW, AT_LEAST } kind;
        double value;
};
#define TARGET_NONE ((struct target){ .kind = NO_TARGET })
#define TARGET_AT_MOST(x) ((struct target){ .kind = AT_MOST, .value = (x) })
#define TARGET_BELOW(x) ((struct target){ .kind = BELOW, .value = (x) })
#define TARGET_AT_LEAST(x) ((struct target){ .kind = AT_LEAST, .value = (x) })

/* `title` is a line of its own above the figures. */
void report_title(const char *program, const char *title);
void report(const char *what, double value, const char *unit, struct target target);
/* The same, with the values it was computed from in the raw file. */
void report_values(const char *what, double value, const char *unit, struct target target,
                   const double *values, size_t n);

/* Latencies in ns: 64 buckets for each power of two, so within 1.6 %. */
#define HISTOGRAM_SHIFT 6u
#define HISTOGRAM_BUCKETS ((65u - HISTOGRAM_SHIFT) << HISTOGRAM_SHIFT)
struct latencies {
        uint64_t count;
        uint64_t max_ns;
        uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* log-linear: the highest HISTOGRAM_SHIFT + 1 bits of the value */
static inline uint32_t latencies_bucket(uint64_t ns) {
        uint32_t shift;

        if (ns < UINT64_C(1) << HISTOGRAM_SHIFT)
                return (uint32_t)ns;
        shift = 63u - HISTOGRAM_SHIFT - (uint32_t)__builtin_clzll(ns);
        return (shift << HISTOGRAM_SHIFT) + (uint32_t)(ns >> shift);
}

static inline void latencies_add(struct latencies *h, int64_t ns) {
        uint64_t value = ns > 0 ? (uint64_t)ns : 0;

        h->count++;
        h->buckets[latencies_bucket(value)]++;
        if (value > h->max_ns)
                h->max_ns = value;
}

void latencies_merge(struct latencies *into, const struct latencies *from);
/* The upper end of the bucket in which that part of all lies, at most max_ns. */
uint64_t latencies_at(const struct latencies *h, double part);
/* p50 p90 p99 p99.9 p99.99 max, each a figure; the buckets go to the raw file. */
void latencies_report(const char *what, const struct latencies *h, struct target max_target);
