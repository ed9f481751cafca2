/* SPDX-License-Identifier: MIT */
#include "daemon/lease/resize.h"

void resize_init(struct resize *resize) {
        *resize = (struct resize){ .run = { .count = 0 } };
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
                .resizes = backend->grow != NULL,
        };
        pthread_mutex_unlock(&resize->mutex);
}

static void set_request(struct resize *resize, struct resize_request request) {
        pthread_mutex_lock(&resize->mutex);
        resize->run.asked = true;
        resize->request = request;
        pthread_mutex_unlock(&resize->mutex);
}

void resize_request_growth(struct resize *resize, uint32_t count) {
        set_request(resize, (struct resize_request){ .count = count });
}

void resize_request_shrink(struct resize *resize, uint32_t count, uint64_t last_tick) {
        set_request(resize, (struct resize_request){ count, true, last_tick });
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
        struct resize_request request;
        struct lease_run run;

        pthread_mutex_lock(&resize->mutex);
        run = resize->run;
        request = resize->request;
        pthread_mutex_unlock(&resize->mutex);
        if (!run.asked)
                return;
        /* the run's length shows the result; the backend logs what went wrong */
        if (run.resizes && request.shrinks)
                (void)backend->shrink(state, request.count, request.last_tick);
        else if (run.resizes)
                (void)backend->grow(state, request.count);
        resize_look(resize, backend, state);
        pthread_mutex_lock(&resize->mutex);
        resize->run.asked = false;
        pthread_mutex_unlock(&resize->mutex);
}
