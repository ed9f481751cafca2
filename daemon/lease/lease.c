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

#include "daemon/lease/backoff.h"
#include "daemon/lease/horizon.h"
#include "daemon/lease/resize.h"
#include "daemon/util/log.h"
#include "daemon/util/thread.h"
#include "daemon/util/time.h"
#include "shm/clock.h"

#define RETRY_FIRST_NS (100 * NS_PER_MS)
#define RETRY_LAST_NS (10 * NS_PER_S)

struct lease {
        const struct lease_backend *backend;
        void *state; /* the backend's */
        struct lease_grant grant;
        struct resize resize;
        int event_fd;
        pthread_t thread;
        pthread_mutex_t mutex; /* never held while the backend works */
        pthread_cond_t changed;
        uint64_t target;  /* the highest fence asked for; under the mutex */
        bool stop;        /* under the mutex */
        uint32_t question; /* the watchdog's last; under the mutex */
        _Atomic uint32_t answer;
        _Atomic bool in_backend; /* the thread is in one of its calls */
        const struct clock_segment *clock; /* to renew by; NULL: not yet. Under the mutex */
        _Atomic int64_t horizon_ns;
        bool over;        /* -ESTALE: it is another's. The thread's */
        int64_t retry_ns; /* the thread's: 0, or the wait before the next attempt */
        _Atomic uint64_t fence;
        _Atomic int error;
};

static const struct lease_backend *const backends[] = { &lease_local, &lease_etcd,
                                                       &lease_zookeeper };

static void notify(struct lease *lease) {
        uint64_t one = 1;

        /* cannot fail but by a full counter, and then it is readable anyway */
        if (write(lease->event_fd, &one, sizeof(one)) < 0)
                return;
}

static bool wanted(struct lease *lease) {
        /* relaxed: only this thread stores it */
        return resize_run(&lease->resize).asked ||
               lease->target > atomic_load_explicit(&lease->fence, memory_order_relaxed);
}

static void succeeded(struct lease *lease, uint64_t fence_tick) {
        if (lease->retry_ns != 0)
                log_event(LOG_LEVEL_NOTICE, "fence-recovered",
                          "the fence in %s can be written again",
                          lease->backend->place(lease->state));
        lease->retry_ns = 0;
        atomic_store_explicit(&lease->error, 0, memory_order_relaxed);
        /* release: pairs with the acquire in lease_fence(); the write has
         * returned before anybody promises anything below the new fence (U3) */
        atomic_store_explicit(&lease->fence, fence_tick, memory_order_release);
}

static void failed(struct lease *lease, int error) {
        lease->over = error == -ESTALE; /* the backend has told of it */
        if (lease->retry_ns == 0 && !lease->over)
                log_failure(-error, "fence-write",
                            "cannot write the fence to %s: %s; IDs are handed out up to the fence "
                            "of tick %" PRIu64 " already written, then no more; trying again until "
                            "it works: %s",
                            lease->backend->place(lease->state), lease_error_text(lease, error),
                            atomic_load_explicit(&lease->fence, memory_order_relaxed),
                            lease_remedy(lease));
        lease->retry_ns = backoff_next(lease->retry_ns, RETRY_FIRST_NS, RETRY_LAST_NS);
        /* relaxed: a number to look at; the eventfd orders it for the reader */
        atomic_store_explicit(&lease->error, error, memory_order_relaxed);
}

/* Called with the mutex, before each wait. */
static void answer(struct lease *lease) {
        /* relaxed: a number to look at */
        atomic_store_explicit(&lease->answer, lease->question, memory_order_relaxed);
}

static bool renews(const struct lease *lease) {
        return lease->backend->renew_due != NULL && lease->clock != NULL && !lease->over;
}

/* Called with the mutex: until there is news, or that time on CLOCK_BOOTTIME. */
static void wait_until_due(struct lease *lease, int64_t due_boot_ns) {
        int64_t left_ns = due_boot_ns - time_ns(CLOCK_BOOTTIME);
        struct timespec until;

        answer(lease);
        if (left_ns <= 0)
                return;
        until = thread_deadline(left_ns);
        (void)pthread_cond_timedwait(&lease->changed, &lease->mutex, &until);
}

/* Called with the mutex; waits until a write is due (true) or it shall stop. */
static bool wait_for_work(struct lease *lease) {
        int64_t due_ns = INT64_MAX;

        if (lease->retry_ns != 0 && !lease->over) {
                int64_t delay_ns = backoff_jittered(lease->retry_ns, backoff_random());
                struct timespec until = thread_deadline(delay_ns);

                /* a higher target changes what is written, not when */
                do
                        answer(lease);
                while (!lease->stop &&
                       pthread_cond_timedwait(&lease->changed, &lease->mutex, &until) != ETIMEDOUT);
        }
        while (!lease->stop && (lease->over || !wanted(lease))) {
                if (!renews(lease)) {
                        answer(lease);
                        pthread_cond_wait(&lease->changed, &lease->mutex);
                        continue;
                }
                if (due_ns == INT64_MAX) {
                        int64_t now_ns = time_ns(CLOCK_BOOTTIME);
                        int64_t left_ns = lease->backend->renew_due(lease->state) - now_ns;

                        /* up to half as much later, never earlier */
                        due_ns = left_ns > 0 ? now_ns + left_ns / 2 +
                                         backoff_jittered(left_ns, backoff_random()) : now_ns;
                }
                if (lease->retry_ns != 0 || time_ns(CLOCK_BOOTTIME) >= due_ns)
                        break;
                wait_until_due(lease, due_ns);
        }
        return !lease->stop;
}

/* Called with the mutex: what the next write says. */
static uint64_t next_fence(const struct lease *lease) {
        /* relaxed: only this thread stores the one, the other is a number */
        uint64_t fence = atomic_load_explicit(&lease->fence, memory_order_relaxed), ahead;
        int64_t horizon_ns = atomic_load_explicit(&lease->horizon_ns, memory_order_relaxed);

        if (lease->target > fence)
                fence = lease->target;
        /* acquire: the line comes first. One without an ID is a wall clock's, right or wrong */
        if (!renews(lease) ||
            atomic_load_explicit(&lease->clock->unserved, memory_order_acquire) != 0)
                return fence;
        ahead = horizon_tick(lease->clock, horizon_ns);
        return ahead > fence ? ahead : fence;
}

static int write_fence(struct lease *lease, uint64_t fence_tick) {
        int r;

        /* relaxed, both: the watchdog only looks */
        atomic_store_explicit(&lease->in_backend, true, memory_order_relaxed);
        resize_serve(&lease->resize, lease->backend, lease->state);
        r = lease->backend->write_fence(lease->state, fence_tick);
        resize_look(&lease->resize, lease->backend, lease->state);
        atomic_store_explicit(&lease->in_backend, false, memory_order_relaxed);
        return r;
}

static void *lease_thread(void *context) {
        struct lease *lease = context;

        pthread_mutex_lock(&lease->mutex);
        while (wait_for_work(lease)) {
                uint64_t target = next_fence(lease);
                int r;

                pthread_mutex_unlock(&lease->mutex);
                r = write_fence(lease, target);
                if (r < 0)
                        failed(lease, r);
                else
                        succeeded(lease, target);
                notify(lease);
                pthread_mutex_lock(&lease->mutex);
        }
        pthread_mutex_unlock(&lease->mutex);
        return NULL;
}

static struct lease *lease_free(struct lease *lease) {
        if (lease->state)
                lease->backend->close(lease->state);
        if (lease->event_fd >= 0)
                close(lease->event_fd);
        resize_fini(&lease->resize);
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
        resize_init(&lease->resize);
        lease->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (lease->event_fd < 0) {
                r = -errno;
                lease_free(lease);
                return r;
        }
        *ret = lease;
        return 0;
}

int lease_new_with(struct lease **ret, const struct lease_backend *backend,
                   const struct config *config) {
        struct lease *lease = NULL;
        int r = lease_prepare(&lease, backend);

        if (r < 0)
                return log_failure(-r, "lease", "cannot set up the lease: %s", strerror(-r));
        r = backend->open(&lease->state, config, &lease->grant);
        if (r < 0) {
                lease_free(lease);
                return r;
        }
        resize_begin(&lease->resize, backend, &lease->grant);
        atomic_init(&lease->fence, lease->grant.fence_tick);
        atomic_init(&lease->horizon_ns, config->horizon_ns);
        lease->target = lease->grant.fence_tick;
        r = thread_start(&lease->thread, "sfshmd-lease", lease_thread, lease);
        if (r < 0) {
                lease_free(lease);
                return log_failure(-r, "lease", "cannot start the lease's thread: %s",
                                   strerror(-r));
        }
        *ret = lease;
        return 0;
}

int lease_new(struct lease **ret, const struct config *config) {
        for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
                if (strcmp(backends[i]->name, config->backend) == 0)
                        return lease_new_with(ret, backends[i], config);
        return log_failure(EINVAL, "lease",
                           "workers.backend=%s: there is no such backend; use local, etcd or "
                           "zookeeper", config->backend);
}

static void lower_fence(struct lease *lease, uint64_t last_tick) {
        uint64_t fence_tick = last_tick == 0 ? lease->grant.fence_tick : last_tick;
        int (*write)(void *, uint64_t) = lease->backend->release != NULL ?
                                                 lease->backend->release :
                                                 lease->backend->write_fence;
        int r = write(lease->state, fence_tick);

        if (r < 0)
                log_event(LOG_LEVEL_WARNING, "fence-release",
                          "cannot bring the fence in %s down to the last promise: %s; nothing is "
                          "lost, but after a reboot no ID is handed out until the clock has passed "
                          "the fence of tick %" PRIu64,
                          lease->backend->place(lease->state), strerror(-r), lease_fence(lease));
}

struct lease *lease_release(struct lease *lease, uint64_t last_tick) {
        if (!lease)
                return NULL;
        pthread_mutex_lock(&lease->mutex);
        lease->stop = true;
        pthread_cond_signal(&lease->changed);
        pthread_mutex_unlock(&lease->mutex);
        pthread_join(lease->thread, NULL);
        lower_fence(lease, last_tick);
        return lease_free(lease);
}

int lease_persist(struct lease *lease, uint64_t fence_tick) {
        int r;

        if (fence_tick <= lease->grant.fence_tick)
                return 0;
        /* the thread has nothing to do yet */
        r = lease->backend->write_fence(lease->state, fence_tick);
        if (r < 0)
                return log_failure(-r, "fence-write", "cannot write the fence to %s: %s; %s",
                                   lease->backend->place(lease->state), strerror(-r),
                                   lease_remedy(lease));
        lease->grant.fence_tick = fence_tick;
        pthread_mutex_lock(&lease->mutex);
        lease->target = fence_tick;
        pthread_mutex_unlock(&lease->mutex);
        /* release: as in succeeded() */
        atomic_store_explicit(&lease->fence, fence_tick, memory_order_release);
        return 0;
}

const struct lease_grant *lease_granted(const struct lease *lease) {
        return &lease->grant;
}

uint64_t lease_fence(const struct lease *lease) {
        /* acquire: pairs with the release in succeeded() */
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
        return resize_run(&lease->resize);
}

void lease_request_resize(struct lease *lease, uint32_t count, uint64_t last_tick) {
        resize_ask(&lease->resize, count, last_tick);
        pthread_mutex_lock(&lease->mutex);
        pthread_cond_signal(&lease->changed);
        pthread_mutex_unlock(&lease->mutex);
}

void lease_ask(void *context, uint32_t question) {
        struct lease *lease = context;

        pthread_mutex_lock(&lease->mutex);
        lease->question = question;
        pthread_mutex_unlock(&lease->mutex);
        /* after it, so that the thread finds the mutex free: one wake-up */
        pthread_cond_signal(&lease->changed);
}

bool lease_answered(void *context, uint32_t question) {
        const struct lease *lease = context;

        /* relaxed: that the thread came by, or is away, is all they tell */
        return atomic_load_explicit(&lease->in_backend, memory_order_relaxed) ||
               atomic_load_explicit(&lease->answer, memory_order_relaxed) == question;
}

int lease_fd(const struct lease *lease) {
        return lease->event_fd;
}

void lease_acknowledge(struct lease *lease) {
        uint64_t count;

        /* -EAGAIN when nothing happened since: that is fine */
        if (read(lease->event_fd, &count, sizeof(count)) < 0)
                return;
}

int lease_error(const struct lease *lease) {
        /* relaxed: see failed() */
        return atomic_load_explicit(&lease->error, memory_order_relaxed);
}

bool lease_lost(const struct lease *lease) {
        return lease_error(lease) == -ESTALE;
}

const char *lease_error_text(const struct lease *lease, int error) {
        return lease->backend->error_text != NULL ? lease->backend->error_text(error) :
                                                    strerror(-error);
}

const char *lease_place(const struct lease *lease) {
        return lease->backend->place(lease->state);
}

const char *lease_remedy(const struct lease *lease) {
        return lease->backend->remedy != NULL ? lease->backend->remedy :
                                                "make room or repair the disk";
}

const struct lease_counters *lease_counters(const struct lease *lease) {
        return lease->backend->counters != NULL ? lease->backend->counters(lease->state) : NULL;
}
