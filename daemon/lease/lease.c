/* SPDX-License-Identifier: MIT */
#include "daemon/lease/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/lease/internal.h"
#include "daemon/util/log.h"
#include "daemon/util/thread.h"
#include "daemon/util/time.h"

/* For a request that is under way, and to give back what it has or claims; the service manager
 * waits for longer. */
#define GIVE_UP_NS (2 * NS_PER_S)

static struct lease *lease_free(struct lease *lease) {
        if (lease->state)
                lease->backend->close(lease->state);
        worker_lock_free(lease->workers);
        if (lease->event_fd >= 0)
                close(lease->event_fd);
        pthread_cond_destroy(&lease->changed);
        pthread_mutex_destroy(&lease->mutex);
        free(lease);
        return NULL;
}

/* Everything but the backend and the thread. */
static int lease_prepare(struct lease **ret, const struct lease_backend *backend) {
        struct lease *lease = calloc(1, sizeof(*lease));
        int r;

        if (!lease)
                return -ENOMEM;
        lease->backend = backend;
        r = thread_condition_init(&lease->changed);
        if (r < 0) {
                free(lease);
                return r;
        }
        pthread_mutex_init(&lease->mutex, NULL); /* cannot fail with default attributes */
        lease->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (lease->event_fd < 0) {
                r = -errno;
                lease_free(lease);
                return r;
        }
        *ret = lease;
        return 0;
}

static void lower_fence(struct lease *lease, uint64_t last_tick) {
        uint64_t fence_tick = last_tick == 0 ? lease->grant.fence_tick : last_tick;
        int (*write)(void *, uint64_t) = lease->backend->release != NULL ?
                                                 lease->backend->release :
                                                 lease->backend->write_fence;
        int r = write(lease->state, fence_tick);

        if (r < 0)
                log_event(WITH(EVENT_FENCE_RELEASE, FIELD(TICK, lease_fence(lease))),
                          "cannot lower the fence in %s to the last promise: %s; nothing is "
                          "lost, but after a reboot no ID is handed out until the clock has passed "
                          "the fence of tick %" PRIu64,
                          lease->backend->place(lease->state), strerror(-r), lease_fence(lease));
}

/* The lease's thread. What it has at its end, or claims when nobody waits for it any more, is
 * given back here: the coordinator may hang by now. */
static void *run(void *context) {
        struct lease *lease = context;
        uint64_t last_tick;
        bool give_back;

        writer_run(lease);
        pthread_mutex_lock(&lease->mutex);
        give_back = lease->release ||
                    (lease->give_up && lease->claim.over && lease->claim.error == 0);
        last_tick = lease->last_tick;
        pthread_mutex_unlock(&lease->mutex);
        if (give_back)
                lower_fence(lease, last_tick);
        pthread_mutex_lock(&lease->mutex);
        lease->ended = true;
        pthread_cond_broadcast(&lease->changed);
        pthread_mutex_unlock(&lease->mutex);
        return NULL;
}

int lease_new(struct lease **ret, const struct lease_backend *backend,
              const struct fleet_kind *kind, const struct config *config) {
        struct lease *lease = NULL;
        int r = lease_prepare(&lease, backend);

        if (r < 0)
                return log_failure(-r, EVENT_LEASE, "cannot set up the lease: %s", strerror(-r));
        lease->config = *config;
        atomic_init(&lease->horizon_ns, config->horizon_ns);
        r = backend->open(&lease->state, kind, config);
        if (r == 0 && kind == NULL) {
                (void)claim_run(lease);
                lease_acknowledge(lease);
                r = lease->claim.error;
        }
        if (r < 0) {
                lease_free(lease);
                return r;
        }
        r = thread_start(&lease->thread, "sfshmd-lease", run, lease);
        if (r < 0) {
                lease_free(lease);
                return log_failure(-r, EVENT_LEASE, "cannot start the lease's thread: %s",
                                   strerror(-r));
        }
        *ret = lease;
        return 0;
}

struct lease_claim lease_claim(struct lease *lease) {
        struct lease_claim claim;

        pthread_mutex_lock(&lease->mutex);
        claim = lease->claim;
        pthread_mutex_unlock(&lease->mutex);
        return claim;
}

void lease_hurry(struct lease *lease) {
        pthread_mutex_lock(&lease->mutex);
        lease->hurry = true;
        pthread_cond_signal(&lease->changed);
        pthread_mutex_unlock(&lease->mutex);
}

/* False: the thread hangs. A disk is waited for. */
static bool stop_thread(struct lease *lease, bool forever) {
        struct timespec until = thread_deadline(GIVE_UP_NS);
        bool ended;

        pthread_mutex_lock(&lease->mutex);
        lease->stop = true;
        pthread_cond_broadcast(&lease->changed);
        while (!lease->ended && !forever &&
               pthread_cond_timedwait(&lease->changed, &lease->mutex, &until) != ETIMEDOUT)
                ;
        ended = lease->ended || forever;
        pthread_mutex_unlock(&lease->mutex);
        /* one that hangs is left behind: the process ends while it runs */
        (void)(ended ? pthread_join(lease->thread, NULL) : pthread_detach(lease->thread));
        return ended;
}

bool lease_give_up(struct lease *lease) {
        pthread_mutex_lock(&lease->mutex);
        lease->give_up = true;
        pthread_mutex_unlock(&lease->mutex);
        if (!stop_thread(lease, false))
                return false;
        lease_free(lease);
        return true;
}

struct lease *lease_release(struct lease *lease, uint64_t last_tick) {
        if (!lease)
                return NULL;
        pthread_mutex_lock(&lease->mutex);
        lease->release = true;
        lease->last_tick = last_tick;
        pthread_mutex_unlock(&lease->mutex);
        if (stop_thread(lease, lease->backend->release == NULL))
                return lease_free(lease);
        log_event(WITH(EVENT_FENCE_RELEASE, FIELD(TICK, lease_fence(lease))),
                  "%s has not answered for 2 s: whether the "
                  "worker IDs are given back is not known; if not, this host goes on with them at "
                  "its next start",
                  lease->backend->place(lease->state));
        return lease;
}

int lease_persist(struct lease *lease, uint64_t fence_tick) {
        int r;

        if (fence_tick <= lease->grant.fence_tick)
                return 0;
        /* the thread has nothing to do yet, so this call is the only one */
        r = lease->backend->write_fence(lease->state, fence_tick);
        if (r < 0)
                return log_failure(-r, WITH(EVENT_FENCE_WRITE, FIELD(TICK, fence_tick)),
                                   "cannot write the fence to %s: %s; %s",
                                   lease->backend->place(lease->state), strerror(-r),
                                   lease_remedy(lease));
        lease->grant.fence_tick = fence_tick;
        pthread_mutex_lock(&lease->mutex);
        lease->target = fence_tick;
        pthread_mutex_unlock(&lease->mutex);
        /* release: as in take_success() */
        atomic_store_explicit(&lease->fence, fence_tick, memory_order_release);
        return 0;
}

const struct lease_grant *lease_granted(const struct lease *lease) {
        return &lease->grant;
}

uint64_t lease_fence(const struct lease *lease) {
        /* acquire: pairs with the release in take_success() */
        return atomic_load_explicit(&lease->fence, memory_order_acquire);
}

void lease_start_renewal(struct lease *lease, const struct clock_segment *clock) {
        pthread_mutex_lock(&lease->mutex);
        lease->clock = clock;
        pthread_cond_signal(&lease->changed);
        pthread_mutex_unlock(&lease->mutex);
}

void lease_set_horizon(struct lease *lease, int64_t horizon_ns) {
        /* relaxed: the next renewal takes it */
        atomic_store_explicit(&lease->horizon_ns, horizon_ns, memory_order_relaxed);
}

void lease_raise(struct lease *lease, uint64_t fence_tick) {
        pthread_mutex_lock(&lease->mutex);
        if (fence_tick > lease->target) {
                lease->target = fence_tick;
                pthread_cond_signal(&lease->changed);
        }
        pthread_mutex_unlock(&lease->mutex);
}

struct lease_run lease_run(struct lease *lease) {
        struct lease_run run;

        pthread_mutex_lock(&lease->mutex);
        run = lease->run;
        pthread_mutex_unlock(&lease->mutex);
        return run;
}

static void request_resize(struct lease *lease, struct lease_request request) {
        pthread_mutex_lock(&lease->mutex);
        lease->run.asked = true;
        lease->request = request;
        pthread_cond_signal(&lease->changed);
        pthread_mutex_unlock(&lease->mutex);
}

void lease_request_growth(struct lease *lease, uint32_t count) {
        request_resize(lease, (struct lease_request){ .count = count });
}

void lease_request_shrink(struct lease *lease, uint32_t count, uint64_t last_tick) {
        request_resize(lease, (struct lease_request){ count, true, last_tick });
}

void lease_ask(void *context, uint32_t question) {
        struct lease *lease = context;

        pthread_mutex_lock(&lease->mutex);
        lease->question = question;
        pthread_mutex_unlock(&lease->mutex);
        /* after the unlock, so that the thread finds the mutex free and wakes up once */
        pthread_cond_signal(&lease->changed);
}

bool lease_answered(void *context, uint32_t question) {
        const struct lease *lease = context;

        /* relaxed: they only say that the thread came by, or is in the backend */
        return atomic_load_explicit(&lease->in_backend, memory_order_relaxed) ||
               atomic_load_explicit(&lease->answer, memory_order_relaxed) == question;
}

int lease_fd(const struct lease *lease) {
        return lease->event_fd;
}

void lease_acknowledge(struct lease *lease) {
        eventfd_t count;

        (void)eventfd_read(lease->event_fd, &count); /* EAGAIN: nothing happened since; fine */
}

int lease_error(const struct lease *lease) {
        /* relaxed: see take_failure() */
        return atomic_load_explicit(&lease->error, memory_order_relaxed);
}

bool lease_lost(const struct lease *lease) {
        return lease_error(lease) == -ESTALE;
}

const char *lease_error_text(const struct lease *lease, int error) {
        return lease->backend->error_text(error);
}

const char *lease_place(const struct lease *lease) {
        return lease->backend->place(lease->state);
}

const char *lease_remedy(const struct lease *lease) {
        return lease->backend->remedy(lease->state);
}

const struct lease_counters *lease_counters(const struct lease *lease) {
        return lease->backend->counters != NULL ? lease->backend->counters(lease->state) : NULL;
}

const struct histogram *lease_fence_writes(const struct lease *lease) {
        return &lease->fence_writes;
}

int64_t lease_horizon_ns(const struct lease *lease) {
        return atomic_load_explicit(&lease->horizon_ns, memory_order_relaxed); /* as it is set */
}
