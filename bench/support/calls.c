/* SPDX-License-Identifier: MIT */
#include "bench/support/calls.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "bench/support/measure.h"

static _Alignas(128) _Atomic uint64_t bare_words[THREADS_MAX][16];

double time_bare(unsigned line) {
        int64_t begun = now_ns();

        for (unsigned i = 0; i < CALLS; i++) {
                uint64_t value = atomic_fetch_add_explicit(&bare_words[line][0], 1,
                                                           memory_order_acq_rel);

                /* it is wanted: else the compiler makes an add without a fetch of it */
                __asm__ __volatile__("" : : "r"(value));
        }
        return (double)(now_ns() - begun) / CALLS;
}

double time_next(sfshm *s) {
        int64_t begun = now_ns();
        uint64_t id = 0;
        int r = 0;

        for (unsigned i = 0; i < CALLS; i++)
                r |= sfshm_next(s, &id);
        if (r != 0)
                fail("sfshm_next", r);
        return (double)(now_ns() - begun) / CALLS;
}

struct worker {
        pthread_t thread;
        pthread_barrier_t *barrier;
        sfshm *handle; /* NULL: bare */
        unsigned line, n; /* the line-th thread of n */
        double ns;
        int64_t begun_ns, ended_ns;
};

/* A CPU for each thread, where there are as many: a scheduler that has not yet
 * moved two threads of one CPU apart is not what is measured. */
static void pin(const struct worker *w) {
        cpu_set_t allowed, one;
        unsigned seen = 0;

        if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0 ||
            (unsigned)CPU_COUNT(&allowed) < w->n)
                return;
        CPU_ZERO(&one);
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
                if (CPU_ISSET(cpu, &allowed) && seen++ == w->line)
                        CPU_SET(cpu, &one);
        (void)sched_setaffinity(0, sizeof(one), &one);
}

static void *work(void *argument) {
        struct worker *w = argument;

        pin(w);
        pthread_barrier_wait(w->barrier);
        w->begun_ns = now_ns();
        w->ns = w->handle != NULL ? time_next(w->handle) : time_bare(w->line);
        w->ended_ns = now_ns();
        return NULL;
}

static struct stretch summary(const struct worker *workers, unsigned n) {
        int64_t begun = INT64_MAX, ended = 0;
        struct stretch stretch = { .ns = 0 };

        for (unsigned i = 0; i < n; i++) {
                begun = workers[i].begun_ns < begun ? workers[i].begun_ns : begun;
                ended = workers[i].ended_ns > ended ? workers[i].ended_ns : ended;
                stretch.ns += workers[i].ns / n;
        }
        stretch.rate_m = (double)n * CALLS / ((double)(ended - begun) / 1e9) / 1e6;
        return stretch;
}

struct stretch time_threads(unsigned n, sfshm *s) {
        struct worker workers[THREADS_MAX];
        pthread_barrier_t barrier;

        pthread_barrier_init(&barrier, NULL, n);
        for (unsigned i = 0; i < n; i++) {
                int error;

                workers[i] = (struct worker){ .barrier = &barrier, .handle = s, .line = i, .n = n };
                error = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
                if (error != 0)
                        fail("cannot start a thread", -error);
        }
        for (unsigned i = 0; i < n; i++)
                pthread_join(workers[i].thread, NULL);
        pthread_barrier_destroy(&barrier);
        return summary(workers, n);
}

void warm_up_threads(unsigned n, sfshm *s, int64_t duration_ns) {
        int64_t until = now_ns() + duration_ns;

        while (now_ns() < until)
                (void)time_threads(n, s);
}
