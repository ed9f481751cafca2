/* SPDX-License-Identifier: MIT */
#include "libclient/reattach.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/handle.h"
#include "libclient/handshake.h"
#include "libclient/lane.h"

#define PAGE_BYTES 4096u
#define LOOK_EVERY_NS INT64_C(1000000)
#define STEP_EVERY_NS INT64_C(200000)
#define ANSWER_WITHIN_NS (5 * NS_PER_SECOND)
/* Backoff: 1 ms, doubled at each failure, up to one attempt a second. From then on the
 * circuit breaker is open: that attempt is its probe, and all calls in between fail at once
 * without touching the socket. */
#define BACKOFF_FIRST_NS INT64_C(1000000)
#define BACKOFF_DOUBLINGS 10u

int reattach_new(struct reattach **ret) {
        void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                          -1, 0);

        if (page == MAP_FAILED)
                return -errno;
        if (madvise(page, PAGE_BYTES, MADV_WIPEONFORK) < 0) {
                int r = -errno;

                munmap(page, PAGE_BYTES);
                return r;
        }
        *ret = page;
        return 0;
}

struct reattach *reattach_free(struct reattach *reattach) {
        if (reattach != NULL)
                munmap(reattach, PAGE_BYTES);
        return NULL;
}

/* Jitter: between half of it and all of it. */
static int64_t jittered(int64_t ns) {
        uint64_t mixed = (uint64_t)clock_monotonic_ns() * UINT64_C(0x9e3779b97f4a7c15) +
                         (uint64_t)syscall(SYS_gettid);

        mixed ^= mixed >> 31;
        return ns / 2 + (int64_t)(mixed % (uint64_t)(ns / 2));
}

static void drop_pending(struct sfshm *s) {
        own_socket_close(s->pending);
        s->pending = OWN_SOCKET_NONE;
        s->reattach->begun_boot_ns = 0;
}

static int failed(struct sfshm *s, int error) {
        struct reattach *r = s->reattach;
        uint32_t doublings = r->failures < BACKOFF_DOUBLINGS ? r->failures : BACKOFF_DOUBLINGS;

        drop_pending(s);
        r->failures++;
        r->error = error;
        atomic_store_explicit(&r->next_ns,
                              clock_monotonic_ns() + jittered(BACKOFF_FIRST_NS << doublings),
                              memory_order_relaxed);
        return error;
}

/* The new lanes begin above every tick of the old ones, which accept no more adds from now
 * on: O1 holds across the switch. If parent and child share a lane, the one that did not
 * close it finds it closed, with its last tick, and attaches by itself. */
static void switch_to(struct sfshm *s, struct attachment *a, struct attachment *fresh) {
        uint64_t last_tick = lanes_close(a);

        lanes_begin_after(fresh, last_tick);
        attachment_follow(fresh, a);
        /* release: `fresh` is complete before anybody loads it */
        atomic_store_explicit(&s->attachment, fresh, memory_order_release);
}

/* A child inherits the handle's pending socket, but not (WIPEONFORK) the fact that a HELLO
 * is in progress on it. That socket belongs to the parent and is closed here. */
static int begin(struct sfshm *s) {
        struct reattach *r = s->reattach;
        int error, fd = -1;

        drop_pending(s);
        if (clock_monotonic_ns() < atomic_load_explicit(&r->next_ns, memory_order_relaxed))
                return r->error != 0 ? r->error : -EAGAIN;
        r->begun_boot_ns = clock_boottime_ns();
        error = handshake_begin(s->address, s->lanes, &fd);
        if (error == 0 && (error = own_socket_of(fd, &s->pending)) < 0)
                close(fd);
        if (error == -EAGAIN) { /* its backlog is full: the daemon is alive */
                r->begun_boot_ns = 0;
                return error;
        }
        return error < 0 ? failed(s, error) : 0;
}

/* A handle's layout never changes: sfshm_get_layout() and decoded IDs depend on it. */
static bool same_layout(const struct attachment *a, const struct attachment *b) {
        const struct id_layout *x = &attachment_clock(a)->layout, *y = &attachment_clock(b)->layout;

        return x->tick_bits == y->tick_bits && x->worker_bits == y->worker_bits &&
               x->sequence_bits == y->sequence_bits && x->region_bits == y->region_bits &&
               x->epoch_unix_ms == y->epoch_unix_ms;
}

static int step(struct sfshm *s, struct attachment *a) {
        struct reattach *r = s->reattach;
        struct attachment *fresh = NULL;
        int error = r->begun_boot_ns == 0 ? begin(s) : 0;

        if (error < 0)
                return error;
        if (!own_socket_valid(s->pending)) {
                s->pending = OWN_SOCKET_NONE; /* the program closed it */
                return failed(s, -ECONNRESET);
        }
        error = handshake_finish(s->pending.fd, r->begun_boot_ns, &fresh);
        if (error == -EAGAIN && clock_boottime_ns() - r->begun_boot_ns < ANSWER_WITHIN_NS)
                return -EAGAIN;
        if (error < 0)
                return failed(s, error == -EAGAIN ? -ETIMEDOUT : error);
        /* the socket now belongs to the new attachment */
        s->pending = OWN_SOCKET_NONE;
        if (!same_layout(a, fresh)) {
                attachment_free(fresh);
                return failed(s, -EPROTO);
        }
        r->begun_boot_ns = 0;
        r->failures = 0;
        r->error = 0;
        switch_to(s, a, fresh);
        return 0;
}

int reattach_step(struct sfshm *s, struct attachment *a) {
        struct reattach *r = s->reattach;
        uint32_t idle = 0;
        int state, result;

        /* acquire: pairs with the release below, so that steps see each other's plain
         * fields. Nobody waits for the flag: it is not a lock. */
        if (!atomic_compare_exchange_strong_explicit(&r->busy, &idle, 1, memory_order_acquire,
                                                     memory_order_relaxed))
                return -EAGAIN;
        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        /* acquire: another thread's step may have switched already */
        if (atomic_load_explicit(&s->attachment, memory_order_acquire) != a)
                result = 0;
        else
                result = step(s, a);
        atomic_store_explicit(&r->busy, 0, memory_order_release);
        (void)pthread_setcancelstate(state, &state);
        return result;
}

/* Takes a step if the daemon has closed its end of `a`. Checks at most once a millisecond. */
static void poke(struct sfshm *s, struct attachment *a, int64_t boot_ns) {
        const struct clock_segment *clock = attachment_clock(a);
        int64_t looked = atomic_load_explicit(&a->looked_boot_ns, memory_order_relaxed);

        if (boot_ns - looked < LOOK_EVERY_NS ||
            !atomic_compare_exchange_strong_explicit(&a->looked_boot_ns, &looked, boot_ns,
                                                     memory_order_relaxed, memory_order_relaxed))
                return;
        if (attachment_connected(a))
                /* a restarted daemon kept this connection */
                atomic_store_explicit(
                        &a->generation,
                        atomic_load_explicit(&clock->generation, memory_order_relaxed),
                        memory_order_relaxed);
        else
                (void)reattach_step(s, a);
}

void reattach_upkeep(struct sfshm *s, struct attachment *a, int64_t boot_ns) {
        const struct clock_segment *clock = attachment_clock(a);
        uint32_t owner = atomic_load_explicit(&clock->owner, memory_order_relaxed);
        uint32_t generation = atomic_load_explicit(&clock->generation, memory_order_relaxed);

        if (!clock_owner_live(owner) ||
            generation != atomic_load_explicit(&a->generation, memory_order_relaxed))
                poke(s, a, boot_ns);
}

void reattach_wait(int64_t deadline_ns) {
        int64_t until = clock_monotonic_ns() + STEP_EVERY_NS;

        clock_sleep_until(CLOCK_MONOTONIC, deadline_ns < until ? deadline_ns : until);
}
