/* SPDX-License-Identifier: MIT */
#pragma once
/* The lease as its two sides share it: the callers' in lease.c, its thread's in writer.c. */
#include <pthread.h>
#include <stdatomic.h>

#include "daemon/lease/backend.h"
#include "daemon/lease/lease.h"
#include "daemon/lease/worker_lock.h"
#include "shm/clock.h"

struct lease {
        const struct lease_backend *backend;
        void *state; /* the backend's */
        struct lease_grant grant;
        struct worker_lock *workers; /* of all that the run may use; the thread's */
        int event_fd;
        pthread_t thread;
        pthread_mutex_t mutex; /* never held while the backend works */
        pthread_cond_t changed;
        uint64_t target;   /* the highest fence requested; under the mutex */
        bool stop;         /* under the mutex */
        bool give_up;      /* under the mutex: nothing was promised, see lease_give_up() */
        bool release;      /* under the mutex: at its end the thread lowers the fence */
        uint64_t last_tick; /* to this; under the mutex */
        bool ended;        /* under the mutex: the thread has nothing more to do */
        struct lease_run run; /* under the mutex */
        struct lease_request {
                uint32_t count;
                bool shrinks;
                uint64_t last_tick; /* of a run that shrinks */
        } request;                  /* under the mutex, while run.asked */
        uint32_t question; /* the watchdog's last; under the mutex */
        _Atomic uint32_t answer;
        _Atomic bool in_backend; /* the thread is in one of the backend's calls */
        const struct clock_segment *clock; /* to renew by; NULL: not yet. Under the mutex */
        _Atomic int64_t horizon_ns;
        struct histogram fence_writes;
        struct config config; /* as at the start: a reload writes to the other one meanwhile */
        struct lease_claim claim; /* under the mutex */
        bool hurry; /* under the mutex: tried again at once, with passwords and keys read anew */
        bool over;        /* -ESTALE: another host has it. The thread's */
        int64_t retry_ns; /* the thread's: 0, or the wait before the next attempt */
        _Atomic uint64_t fence;
        _Atomic int error;
};

/* Called with the mutex, before a call of the backend: takes a lease_hurry(). In claim.c. */
void claim_take_hurry(struct lease *lease);

/* Makes the attempts of the claim, until there are worker IDs (true), or it is refused or
 * `stop`. In claim.c. */
bool claim_run(struct lease *lease);

/* What the lease's thread does, in writer.c: claims; then when the next fence is written, what it says, and what a
 * failed write leads to; until `stop` of this struct lease. */
void writer_run(struct lease *lease);
