/* SPDX-License-Identifier: MIT */
/*
 * The hot path against the bare instruction, in one run, through the shared
 * library. Needs a daemon with all 1,024 workers, so that the space does not
 * bind. Medians of 9 rounds; in each the bare one and ours follow each other.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/support/calls.h"
#include "bench/support/measure.h"

#define ROUNDS 9
#define BATCH 4096u
#define BATCHES 512u /* in a burst: half the positions of a tick */

/* Each of the three is sorted. */
static void report_ratio(const char *what, double *ours, double *bare, double *ratio,
                         struct target target) {
        char name[128];

        snprintf(name, sizeof(name), "%s", what);
        report_values(name, median(ours, ROUNDS), "ns/ID", TARGET_NONE, ours, ROUNDS);
        snprintf(name, sizeof(name), "%s: bare", what);
        report_values(name, median(bare, ROUNDS), "ns", TARGET_NONE, bare, ROUNDS);
        snprintf(name, sizeof(name), "%s: ratio", what);
        report_values(name, median(ratio, ROUNDS), "x", target, ratio, ROUNDS);
}

static void bench_next(sfshm *s) {
        double bare[ROUNDS], next[ROUNDS], ratio[ROUNDS];

        for (int i = 0; i < ROUNDS; i++) {
                bare[i] = time_bare(0);
                next[i] = time_next(s);
                ratio[i] = next[i] / bare[i];
        }
        report_ratio("next, one thread", next, bare, ratio, TARGET_AT_MOST(1.5));
}

/* Consecutive numbers into the same array; not to be optimised away. */
static __attribute__((noinline)) void fill(uint64_t *ids, uint64_t first, size_t n) {
        for (size_t i = 0; i < n; i++)
                ids[i] = first + i;
        __asm__ __volatile__("" : : "r"(ids) : "memory");
}

static double time_fill(uint64_t *ids) {
        int64_t begun = now_ns();

        for (unsigned i = 0; i < BATCHES; i++)
                fill(ids, (uint64_t)i * BATCH, BATCH);
        return (double)(now_ns() - begun) / BATCHES / BATCH;
}

static double time_batch(sfshm *s, uint64_t *ids) {
        int64_t begun = now_ns();
        int r = 0;

        for (unsigned i = 0; i < BATCHES; i++)
                r |= sfshm_next_batch(s, ids, BATCH);
        if (r != 0)
                fail("sfshm_next_batch", r);
        return (double)(now_ns() - begun) / BATCHES / BATCH;
}

static void bench_batch(sfshm *s) {
        static uint64_t ids[BATCH];
        double plain[ROUNDS], batch[ROUNDS], ratio[ROUNDS];

        for (int i = 0; i < ROUNDS; i++) {
                int64_t resume = now_ns() + NS_PER_MS;

                while (now_ns() < resume) /* the burst before had another tick; no sleep: warm */
                        (void)time_fill(ids);
                plain[i] = time_fill(ids);
                batch[i] = time_batch(s, ids);
                ratio[i] = batch[i] / plain[i];
        }
        report_ratio("batch of 4096 (bare: filling the array)", batch, plain, ratio,
                     TARGET_AT_MOST(1.6));
}

static void bench_threads(const char *name, sfshm *s, unsigned n, struct target target) {
        double bare[ROUNDS], next[ROUNDS], ratio[ROUNDS];

        warm_up_threads(n, s, NS_PER_S);
        for (int i = 0; i < ROUNDS; i++) {
                bare[i] = time_threads(n, NULL).ns;
                next[i] = time_threads(n, s).ns;
                ratio[i] = next[i] / bare[i];
        }
        report_ratio(name, next, bare, ratio, target);
}

int main(void) {
        sfshm *s = open_or_die(0);

        report_title("hot", "the hot path against the bare instruction, medians of 9");
        warm_up(s, NS_PER_S);
        bench_next(s);
        bench_batch(s);
        bench_threads("one lane shared by 2 threads", s, 2, TARGET_NONE);
        sfshm_close(s);
        s = open_or_die(SFSHM_PARALLEL);
        bench_threads("SFSHM_PARALLEL, 2 threads", s, 2, TARGET_AT_MOST(1.6));
        sfshm_close(s);
        return 0;
}
