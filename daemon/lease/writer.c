/* SPDX-License-Identifier: MIT */
#include "daemon/lease/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "daemon/lease/backoff.h"
#include "daemon/util/log.h"
#include "daemon/util/thread.h"
#include "daemon/util/time.h"
#include "shm/probe.h"

#define RETRY_FIRST_NS (100 * NS_PER_MS)
#define RETRY_LAST_DISK_NS NS_PER_S /* a full disk may have room any moment */
#define RETRY_LAST_COORDINATOR_NS (10 * NS_PER_S) /* which many hosts ask */

/* Called with the mutex. */
static bool is_write_requested(const struct lease *lease) {
        /* relaxed: only this thread stores it */
        return lease->run.asked ||
               lease->target > atomic_load_explicit(&lease->fence, memory_order_relaxed);
}

static int64_t fence_unix_ms(const struct lease *lease, uint64_t fence_tick) {
        return lease->config.layout.epoch_unix_ms + (int64_t)fence_tick;
}

static void take_success(struct lease *lease, uint64_t fence_tick) {
        if (lease->retry_ns != 0)
                log_event(WITH(EVENT_FENCE_RECOVERED, FIELD(TICK, fence_tick),
                               FIELD(FENCE_UNIX_MS, fence_unix_ms(lease, fence_tick))),
                          "the fence in %s can be written again",
                          lease->backend->place(lease->state));
        lease->retry_ns = 0;
        atomic_store_explicit(&lease->error, 0, memory_order_relaxed);
        /* release: pairs with the acquire in lease_fence(); the write has
         * returned before anybody promises anything below the new fence (U3) */
        atomic_store_explicit(&lease->fence, fence_tick, memory_order_release);
}

static void take_failure(struct lease *lease, int error) {
        /* relaxed: only this thread stores it */
        uint64_t fence = atomic_load_explicit(&lease->fence, memory_order_relaxed);

        lease->over = error == -ESTALE; /* the backend has logged it */
        if (lease->retry_ns == 0 && !lease->over)
                log_failure(-error, WITH(EVENT_FENCE_WRITE, FIELD(TICK, fence),
                                         FIELD(FENCE_UNIX_MS, fence_unix_ms(lease, fence))),
                            "cannot write the fence to %s: %s; IDs are handed out up to the fence "
                            "of tick %" PRIu64 " already written, then no more; trying again until "
                            "it works: %s",
                            lease->backend->place(lease->state), lease->backend->error_text(error),
                            fence, lease->backend->remedy(lease->state));
        lease->retry_ns = backoff_next(lease->retry_ns, RETRY_FIRST_NS,
                                       lease->backend->renew_due == NULL
                                               ? RETRY_LAST_DISK_NS : RETRY_LAST_COORDINATOR_NS);
        /* relaxed: a value for display; the eventfd orders it for the reader */
        atomic_store_explicit(&lease->error, error, memory_order_relaxed);
}

/* Called with the mutex, before each wait. */
static void answer_watchdog(struct lease *lease) {
        /* relaxed: a value for display */
        atomic_store_explicit(&lease->answer, lease->question, memory_order_relaxed);
}

static bool is_renewed(const struct lease *lease) {
        return lease->backend->renew_due != NULL && lease->clock != NULL && !lease->over;
}

/* Called with the mutex: waits for news, or until that time on CLOCK_BOOTTIME. */
static void wait_until_due(struct lease *lease, int64_t due_boot_ns) {
        int64_t left_ns = due_boot_ns - time_ns(CLOCK_BOOTTIME);
        struct timespec until;

        answer_watchdog(lease);
        if (left_ns <= 0)
                return;
        until = thread_deadline(left_ns);
        (void)pthread_cond_timedwait(&lease->changed, &lease->mutex, &until);
}

/* Called with the mutex; waits until a write is due (true) or the thread must stop. */
static bool wait_for_work(struct lease *lease) {
        int64_t due_ns = INT64_MAX;

        if (lease->retry_ns != 0 && !lease->over) {
                int64_t delay_ns = backoff_jittered(lease->retry_ns, backoff_random());
                struct timespec until = thread_deadline(delay_ns);

                /* a higher target changes what is written, not when it is written */
                do
                        answer_watchdog(lease);
                while (!lease->stop && !lease->hurry &&
                       pthread_cond_timedwait(&lease->changed, &lease->mutex, &until) != ETIMEDOUT);
        }
        while (!lease->stop && (lease->over || !is_write_requested(lease))) {
                if (!is_renewed(lease)) {
                        answer_watchdog(lease);
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
        claim_take_hurry(lease);
        return !lease->stop;
}

/* That time after now, at most the layout's last tick; 0: beyond what can be counted. */
static uint64_t horizon_tick(const struct clock_segment *clock, int64_t horizon_ns) {
        uint64_t tick, last = id_tick_max(&clock->layout);
        struct clock_reading reading;
        int64_t ns = clock_read(clock, time_ns, &reading);

        if (__builtin_add_overflow(ns, horizon_ns, &ns) || clock_tick_of(ns) == CLOCK_NOW_INVALID)
                return 0;
        tick = clock_tick_of(ns);
        return tick < last ? tick : last;
}

/* Called with the mutex: what the next write says. */
static uint64_t next_fence(const struct lease *lease) {
        /* relaxed: only this thread stores the fence; the horizon depends on nothing else */
        uint64_t fence = atomic_load_explicit(&lease->fence, memory_order_relaxed), ahead;
        int64_t horizon_ns = atomic_load_explicit(&lease->horizon_ns, memory_order_relaxed);

        if (lease->target > fence)
                fence = lease->target;
        /* acquire: the line was written before this was cleared. A clock from which no
         * ID was made yet may be a wrong wall clock's */
        if (!is_renewed(lease) ||
            atomic_load_explicit(&lease->clock->unserved, memory_order_acquire) != 0)
                return fence;
        ahead = horizon_tick(lease->clock, horizon_ns);
        return ahead > fence ? ahead : fence;
}

/* After each call of the backend: an earlier resize may turn out to be done. What is new
 * in a run is used only once no other daemon of this host can use it. */
static void look_at_run(struct lease *lease) {
        uint64_t above_tick;
        uint32_t count;

        if (lease->backend->run == NULL)
                return;
        count = lease->backend->run(lease->state, &above_tick);
        if (worker_lock_resize(lease->workers, count) < 0 &&
            worker_lock_count(lease->workers) < count)
                count = worker_lock_count(lease->workers);
        pthread_mutex_lock(&lease->mutex);
        lease->run.count = count;
        if (above_tick > lease->run.above_tick)
                lease->run.above_tick = above_tick;
        pthread_mutex_unlock(&lease->mutex);
}

/* Carries out what is requested, once; the run shows the result. */
static void serve_request(struct lease *lease) {
        struct lease_request request;
        struct lease_run run;

        pthread_mutex_lock(&lease->mutex);
        run = lease->run;
        request = lease->request;
        pthread_mutex_unlock(&lease->mutex);
        if (!run.asked)
                return;
        /* the backend logs what went wrong */
        if (run.resizes && request.shrinks)
                (void)lease->backend->shrink(lease->state, request.count, request.last_tick);
        else if (run.resizes)
                (void)lease->backend->grow(lease->state, request.count);
        look_at_run(lease);
        pthread_mutex_lock(&lease->mutex);
        lease->run.asked = false;
        pthread_mutex_unlock(&lease->mutex);
}

static int write_fence(struct lease *lease, uint64_t fence_tick) {
        int64_t begun_ns, took_ns;
        int r;

        /* relaxed, both: only the watchdog reads it */
        atomic_store_explicit(&lease->in_backend, true, memory_order_relaxed);
        serve_request(lease);
        begun_ns = time_ns(CLOCK_BOOTTIME);
        r = lease->backend->write_fence(lease->state, fence_tick);
        took_ns = time_ns(CLOCK_BOOTTIME) - begun_ns;
        histogram_add(&lease->fence_writes, took_ns);
        PROBE3(fence, fence_tick, took_ns, r);
        look_at_run(lease);
        atomic_store_explicit(&lease->in_backend, false, memory_order_relaxed);
        return r;
}

/* What others should not wait for. */
static void survey(struct lease *lease) {
        bool stop;

        pthread_mutex_lock(&lease->mutex);
        stop = lease->stop;
        pthread_mutex_unlock(&lease->mutex);
        if (stop || lease->backend->survey == NULL)
                return;
        /* relaxed, both: only the watchdog reads it */
        atomic_store_explicit(&lease->in_backend, true, memory_order_relaxed);
        lease->backend->survey(lease->state);
        atomic_store_explicit(&lease->in_backend, false, memory_order_relaxed);
}

void writer_run(struct lease *lease) {
        if (!lease->claim.over && !claim_run(lease))
                return;
        pthread_mutex_lock(&lease->mutex);
        while (wait_for_work(lease)) {
                uint64_t target = next_fence(lease);
                int r;

                pthread_mutex_unlock(&lease->mutex);
                r = write_fence(lease, target);
                if (r < 0)
                        take_failure(lease, r);
                else
                        take_success(lease, target);
                /* fails only when the counter is full, and then it is readable anyway */
                (void)eventfd_write(lease->event_fd, 1);
                if (r == 0)
                        survey(lease);
                pthread_mutex_lock(&lease->mutex);
        }
        pthread_mutex_unlock(&lease->mutex);
}

