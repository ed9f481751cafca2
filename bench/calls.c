/* SPDX-License-Identifier: MIT */
#include "bench/calls.h"

#include <pthread.h>
#include <stdatomic.h>

#include "bench/measure.h"

static _Alignas(128) _Atomic uint64_t bare_words[THREADS_MAX][16];

double time_bare(unsigned line) {
        int64_t begun = now_ns();

        for (unsigned i = 0; i < CALLS; i++)
                (void)atomic_fetch_add_explicit(&bare_words[line][0], 1, memory_order_acq_rel);
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
        unsigned line;
        double ns;
        int64_t begun_ns, ended_ns;
};

static void *work(void *argument) {
        struct worker *w = argument;

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

                workers[i] = (struct worker){ .barrier = &barrier, .handle = s, .line = i };
                error = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
                if (error != 0)
                        fail("cannot start a thread", -error);
        }
        for (unsigned i = 0; i < n; i++)
                pthread_join(workers[i].thread, NULL);
        pthread_barrier_destroy(&barrier);
        return summary(workers, n);
}
