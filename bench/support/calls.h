/* SPDX-License-Identifier: MIT */
#pragma once
/* A stretch of sfshm_next() calls, and the same of bare fetch-adds. */
#include <stdint.h>

#include <sfshm.h>

#define CALLS 4000000u /* in a stretch: some ticks */
#define THREADS_MAX 64u

double time_bare(unsigned line); /* ns for each add to that cache line, 0 ... THREADS_MAX-1 */
double time_next(sfshm *s);      /* ns for each ID */

/* n threads at once; bare, each on a line of its own, when `s` is NULL. */
struct stretch {
        double ns;     /* for each call, as a thread sees it: mean over the threads */
        double rate_m; /* millions of calls a second, all threads together */
};
struct stretch time_threads(unsigned n, sfshm *s);
/* Until the daemon has seen all of their lanes busy, and widened them. */
void warm_up_threads(unsigned n, sfshm *s, int64_t duration_ns);
