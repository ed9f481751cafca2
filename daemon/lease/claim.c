/* SPDX-License-Identifier: MIT */
/* The claim of the worker IDs, which waits for what passes by itself. */
#include <errno.h>
#include <sys/eventfd.h>

#include "daemon/lease/backoff.h"
#include "daemon/lease/internal.h"
#include "daemon/util/thread.h"
#include "daemon/util/time.h"
#include "shm/probe.h"

/* Hosts that start together all get their turn soon; what else may pass lasts for longer, and
 * many hosts may wait for it. */
#define CONFLICT_FIRST_NS (20 * NS_PER_MS)
#define CONFLICT_LAST_NS (2 * NS_PER_S)
#define PAUSE_FIRST_NS NS_PER_S
#define PAUSE_LAST_NS (60 * NS_PER_S)

static bool may_pass(int error) {
        return error == -EAGAIN || error == -EIO || error == -ETIMEDOUT || error == -EACCES ||
               error == -EBUSY;
}

/* The worker IDs are there. Called with the mutex. */
static void take_run(struct lease *lease) {
        const struct lease_grant *grant = &lease->grant;

        lease->run = (struct lease_run){
                .count = grant->worker_count,
                .above_tick = grant->above_tick,
                .resizes = lease->backend->grow != NULL,
        };
        /* relaxed: who reads it has seen `claim`, under the mutex */
        atomic_store_explicit(&lease->fence, grant->fence_tick, memory_order_relaxed);
        lease->target = grant->fence_tick;
}

/* Of what was granted. If it is refused, nothing is given back: the record in a coordinator may
 * be that of the other daemon, if its state directory was copied. */
static int lock_run(struct lease *lease) {
        return worker_lock_new(&lease->workers, &lease->config, lease->grant.worker_first,
                               lease->grant.worker_count);
}

/* Returns the error of an attempt that may pass; else the claim is over. */
static int try(struct lease *lease) {
        bool passes;
        int r;

        /* relaxed, both: only the watchdog reads it */
        atomic_store_explicit(&lease->in_backend, true, memory_order_relaxed);
        r = lease->backend->claim(lease->state, &lease->grant);
        passes = may_pass(r);
        PROBE3(claim, lease->grant.worker_first, lease->grant.worker_count, r);
        if (r == 0)
                r = lock_run(lease);
        atomic_store_explicit(&lease->in_backend, false, memory_order_relaxed);
        pthread_mutex_lock(&lease->mutex);
        if (r == 0)
                take_run(lease);
        /* a conflict says nothing about what else is waited for */
        if (!passes || r != -EAGAIN || lease->claim.error == 0)
                lease->claim = (struct lease_claim){ !passes, r };
        pthread_mutex_unlock(&lease->mutex);
        (void)eventfd_write(lease->event_fd, 1); /* see writer_run() */
        return passes ? r : 0;
}

void claim_take_hurry(struct lease *lease) {
        if (lease->hurry && lease->backend->refresh != NULL)
                lease->backend->refresh(lease->state);
        lease->hurry = false;
}

/* Called with the mutex. */
static void wait_for_next(struct lease *lease, int64_t delay_ns) {
        struct timespec until = thread_deadline(backoff_jittered(delay_ns, backoff_random()));

        do
                /* relaxed: a value for display */
                atomic_store_explicit(&lease->answer, lease->question, memory_order_relaxed);
        while (!lease->stop && !lease->hurry &&
               pthread_cond_timedwait(&lease->changed, &lease->mutex, &until) != ETIMEDOUT);
        claim_take_hurry(lease);
}

bool claim_run(struct lease *lease) {
        int64_t conflict_ns = 0, pause_ns = 0;
        bool stop = false;

        while (!stop) {
                int r = try(lease);

                if (r == 0)
                        return lease->claim.error == 0;
                if (r == -EAGAIN)
                        conflict_ns = backoff_next(conflict_ns, CONFLICT_FIRST_NS, CONFLICT_LAST_NS);
                else
                        pause_ns = backoff_next(pause_ns, PAUSE_FIRST_NS, PAUSE_LAST_NS);
                pthread_mutex_lock(&lease->mutex);
                wait_for_next(lease, r == -EAGAIN ? conflict_ns : pause_ns);
                stop = lease->stop;
                pthread_mutex_unlock(&lease->mutex);
        }
        return false;
}
