/* SPDX-License-Identifier: MIT */
/*
 * Threads x lanes: how one handle scales, with one ordered lane and with a
 * lane for each CPU, beside bare adds on lines of their own. Needs a daemon
 * with all 1,024 workers. Where there are more threads than cores they take
 * turns, and only the rates of a row can be compared.
 */
#include <stdio.h>

#include "bench/support/calls.h"
#include "bench/support/measure.h"

#define ROUNDS 5

static const unsigned counts[] = { 1, 2, 4, 8 };

static void measure(const char *name, sfshm *s, unsigned n) {
        double rates[ROUNDS];
        char what[128];

        for (int i = 0; i < ROUNDS; i++)
                rates[i] = time_threads(n, s).rate_m;
        snprintf(what, sizeof(what), "%u thread%s, %s", n, n == 1 ? "" : "s", name);
        report_values(what, median(rates, ROUNDS), "M/s", TARGET_NONE, rates, ROUNDS);
}

int main(void) {
        sfshm *ordered = open_or_die(0), *parallel = open_or_die(SFSHM_PARALLEL);

        report_title("threads", "threads x lanes, all threads together, medians of 5");
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
                measure("bare adds on own lines", NULL, counts[i]);
                warm_up_threads(counts[i], ordered, NS_PER_S / 2);
                measure("one ordered lane", ordered, counts[i]);
                warm_up_threads(counts[i], parallel, NS_PER_S / 2);
                measure("SFSHM_PARALLEL", parallel, counts[i]);
        }
        sfshm_close(ordered);
        sfshm_close(parallel);
        return 0;
}
