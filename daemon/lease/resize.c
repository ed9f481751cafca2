/* SPDX-License-Identifier: MIT */
#include "daemon/lease/resize.h"

void resize_init(struct resize *resize) {
        *resize = (struct resize){ .wanted = 0 };
        pthread_mutex_init(&resize->mutex, NULL); /* cannot fail with default attributes */
}

void resize_fini(struct resize *resize) {
        pthread_mutex_destroy(&resize->mutex);
}

void resize_begin(struct resize *resize, const struct lease_backend *backend,
                  const struct lease_grant *grant) {
        pthread_mutex_lock(&resize->mutex);
        resize->run = (struct lease_run){
                .count = grant->worker_count,
                .above_tick = grant->above_tick,
                .resizes = backend->resize != NULL,
        };
        pthread_mutex_unlock(&resize->mutex);
}

void resize_ask(struct resize *resize, uint32_t count, uint64_t last_tick) {
        pthread_mutex_lock(&resize->mutex);
        resize->run.asked = true;
        resize->wanted = count;
        resize->last_tick = last_tick;
        pthread_mutex_unlock(&resize->mutex);
}

struct lease_run resize_run(struct resize *resize) {
        struct lease_run run;

        pthread_mutex_lock(&resize->mutex);
        run = resize->run;
        pthread_mutex_unlock(&resize->mutex);
        return run;
}

void resize_look(struct resize *resize, const struct lease_backend *backend, void *state) {
        uint64_t above_tick;
        uint32_t count;

        if (backend->run == NULL)
                return;
        count = backend->run(state, &above_tick);
        pthread_mutex_lock(&resize->mutex);
        resize->run.count = count;
        if (above_tick > resize->run.above_tick)
                resize->run.above_tick = above_tick;
        pthread_mutex_unlock(&resize->mutex);
}

void resize_serve(struct resize *resize, const struct lease_backend *backend, void *state) {
        uint64_t last_tick;
        uint32_t wanted;
        bool asked;

        pthread_mutex_lock(&resize->mutex);
        asked = resize->run.asked;
        wanted = resize->wanted;
        last_tick = resize->last_tick;
        pthread_mutex_unlock(&resize->mutex);
        if (!asked)
                return;
        /* what came of it shows in the run's length; what went wrong is logged there */
        if (backend->resize != NULL)
                (void)backend->resize(state, wanted, last_tick);
        resize_look(resize, backend, state);
        pthread_mutex_lock(&resize->mutex);
        resize->run.asked = false;
        pthread_mutex_unlock(&resize->mutex);
}
