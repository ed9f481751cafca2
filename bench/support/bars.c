/* SPDX-License-Identifier: MIT */
#include "bench/support/bars.h"

#include <stdio.h>

#define WIDTH 50

static const double ends[] = { 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1e12 };
#define STEPS (sizeof(ends) / sizeof(ends[0]))

static void print_bar(double begin, double end, size_t count, size_t n) {
        int length = (int)((count * WIDTH + n - 1) / n);

        if (end >= 1e12)
                printf("    %6g and more  %6zu ", begin, count);
        else
                printf("    %6g to %6g  %6zu ", begin, end, count);
        for (int i = 0; i < length; i++)
                putchar('#');
        putchar('\n');
}

void bars_print(const char *title, const double *values, size_t n) {
        size_t counts[STEPS] = { 0 }, first = STEPS, last = 0;

        for (size_t i = 0; i < n; i++) {
                size_t step = 0;

                while (step < STEPS - 1 && values[i] >= ends[step])
                        step++;
                counts[step]++;
                first = step < first ? step : first;
                last = step > last ? step : last;
        }
        printf("  %s:\n", title);
        for (size_t step = first; step <= last && step < STEPS; step++)
                print_bar(step == 0 ? 0 : ends[step - 1], ends[step], counts[step], n);
}
