/* SPDX-License-Identifier: MIT */
/*
 * How much of what one worker ID can give is reached, and what that costs.
 * Needs a daemon with workers.count=1. Callers are processes, each with a
 * handle of its own.
 */
#include <stdio.h>

#include "bench/support/callers.h"
#include "bench/support/measure.h"
#include "bench/support/process.h"

#define CEILING 4096e3 /* IDs a second of one worker ID */
#define WARM_UP_NS (3 * NS_PER_S)
#define MEASURE_NS (5 * NS_PER_S)

struct sums {
        double rate, least, most, cpu;
};

static struct sums add_up(const struct caller *callers, unsigned n) {
        struct sums sums = { .least = 1e18 };

        for (unsigned i = 0; i < n; i++) {
                double rate = (double)callers[i].ids / ((double)callers[i].took_ns / 1e9);

                sums.rate += rate;
                sums.least = rate < sums.least ? rate : sums.least;
                sums.most = rate > sums.most ? rate : sums.most;
                sums.cpu += (double)callers[i].cpu_ns / (double)callers[i].took_ns;
        }
        return sums;
}

static void report_figure(unsigned n, const char *what, double value, const char *unit,
                          struct target target) {
        char name[128];

        snprintf(name, sizeof(name), "%u caller%s: %s", n, n == 1 ? "" : "s", what);
        report(name, value, unit, target);
}

static void bench(unsigned n, struct target rate, struct target cpu) {
        int64_t start_ns = now_ns() + WARM_UP_NS, daemon_ns;
        struct caller *callers = callers_start(n, start_ns, start_ns + MEASURE_NS);
        struct sums sums;

        sleep_until_ns(start_ns);
        daemon_ns = process_cpu_ns(daemon_pid());
        sleep_until_ns(start_ns + MEASURE_NS);
        daemon_ns = process_cpu_ns(daemon_pid()) - daemon_ns;
        callers_wait(callers, n);
        sums = add_up(callers, n);
        report_figure(n, "of 4.096 M IDs/s", sums.rate / CEILING * 100, "%", rate);
        report_figure(n, "callers' CPU together", sums.cpu * 100, "% core", cpu);
        report_figure(n, "daemon's CPU", (double)daemon_ns / MEASURE_NS * 100, "% core",
                      TARGET_NONE);
        if (n > 1)
                report_figure(n, "the most by the least of a caller", sums.most / sums.least, "x",
                              TARGET_AT_MOST(1.2));
}

int main(void) {
        report_title("ceiling", "one worker ID saturated, 5 s after 3 s of warm-up");
        bench(1, TARGET_AT_LEAST(96), TARGET_BELOW(30));
        bench(4, TARGET_AT_LEAST(94), TARGET_NONE);
        return 0;
}
