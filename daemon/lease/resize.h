/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How long a lease's run is, and the ledger thread's wish that it were another length,
 * which the lease's thread passes on to the backend.
 */
#include <pthread.h>

#include "daemon/lease/lease.h"

struct resize {
        pthread_mutex_t mutex; /* never held while the backend works */
        struct lease_run run;
        uint32_t wanted;    /* while run.asked */
        uint64_t last_tick; /* see lease_request_resize() */
};

void resize_init(struct resize *resize);
void resize_fini(struct resize *resize);
void resize_begin(struct resize *resize, const struct lease_backend *backend,
                  const struct lease_grant *grant);
void resize_ask(struct resize *resize, uint32_t count, uint64_t last_tick);
struct lease_run resize_run(struct resize *resize);

/* The lease's thread: does what is asked, once; whatever came of it is in the run. */
void resize_serve(struct resize *resize, const struct lease_backend *backend, void *state);
/* ... and after each other call, as an earlier resize may show to have been done. */
void resize_look(struct resize *resize, const struct lease_backend *backend, void *state);
