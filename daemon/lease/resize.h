/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How long the lease's run is, and the ledger thread's request for another length,
 * which the lease's thread passes on to the backend.
 */
#include <pthread.h>

#include "daemon/lease/backend.h"

struct resize {
        pthread_mutex_t mutex; /* never held while the backend works */
        struct lease_run run;
        struct resize_request {
                uint32_t count;
                bool shrinks;
                uint64_t last_tick; /* of a run that shrinks */
        } request;                  /* while run.asked */
};

void resize_init(struct resize *resize);
void resize_fini(struct resize *resize);
void resize_begin(struct resize *resize, const struct lease_backend *backend,
                  const struct lease_grant *grant);
void resize_request_growth(struct resize *resize, uint32_t count);
void resize_request_shrink(struct resize *resize, uint32_t count, uint64_t last_tick);
struct lease_run resize_run(struct resize *resize);

/* The lease's thread: carries out what is requested, once; the run shows the result. */
void resize_serve(struct resize *resize, const struct lease_backend *backend, void *state);
/* The lease's thread, after each other call: an earlier resize may turn out to be done. */
void resize_look(struct resize *resize, const struct lease_backend *backend, void *state);
