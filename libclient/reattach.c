/* SPDX-License-Identifier: MIT */
#include "libclient/reattach.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/count.h"
#include "libclient/handle.h"
#include "libclient/handshake.h"
#include "libclient/lane.h"
#include "shm/probe.h"

#define LOOK_EVERY_NS INT64_C(1000000)
#define ANSWER_WITHIN_NS (5 * NS_PER_SECOND)
/* Backoff: 1 ms, doubled at each failure, up to one attempt a second. From then on the
 * circuit breaker is open: that attempt is its probe, and all calls in between fail at once
 * without touching the socket. */
#define BACKOFF_FIRST_NS INT64_C(1000000)
#define BACKOFF_DOUBLINGS 10u

/* ---- the breaker */

static uint32_t generation_of(const struct attachment *a) {
        return atomic_load_explicit(&attachment_clock(a)->generation, memory_order_relaxed);
}

static uint32_t owner_of(const struct attachment *a) {
        return atomic_load_explicit(&attachment_clock(a)->owner, memory_order_relaxed);
}

/* The clock has shown since the last failure that a daemon lives: the breaker is closed. */
static bool daemon_came(const struct process *p, const struct attachment *a) {
        uint32_t owner = owner_of(a);

        return generation_of(a) != p->generation ||
               (clock_owner_live(owner) && owner != p->owner);
}

static void drop_pending(struct sfshm *s) {
        atomic_store_explicit(&s->process->watch, 0, memory_order_relaxed);
        own_socket_close(s->pending);
        s->pending = OWN_SOCKET_NONE;
        s->process->begun_boot_ns = 0;
}

static int failed(struct sfshm *s, const struct attachment *a, int error) {
        struct process *p = s->process;
        uint32_t doublings = p->failures < BACKOFF_DOUBLINGS ? p->failures : BACKOFF_DOUBLINGS;

        drop_pending(s);
        p->failures++;
        p->error = error;
        p->generation = generation_of(a);
        p->owner = owner_of(a);
        atomic_store_explicit(&p->next_ns,
                              clock_monotonic_ns() + clock_jitter(BACKOFF_FIRST_NS << doublings),
                              memory_order_relaxed);
        return error;
}

/* ---- a step */

/* The old lanes stay as they are. The new ones begin above them, see lanes_begin(). */
static void switch_to(struct sfshm *s, struct attachment *a, struct attachment *fresh) {
        atomic_store_explicit(&fresh->newest, &s->attachment, memory_order_relaxed);
        attachment_follow(fresh, a);
        /* a child that is forked here still finds the old one, and closes this socket */
        s->pending = fresh->socket;
        count_carry_begin(s);
        /* seq_cst: see lanes_begin(). Release: `fresh` is complete before anybody loads it. */
        atomic_store_explicit(&s->attachment, fresh, memory_order_seq_cst);
        count_carry_end(s, a);
        PROBE2(reattach, a->client, fresh->client);
        s->pending = OWN_SOCKET_NONE;
        lanes_begin(fresh);
}

/* A child inherits the handle's pending socket, but not the fact that a HELLO is in progress
 * on it. That socket belongs to the parent and is closed here. */
static int begin(struct sfshm *s, const struct attachment *a) {
        struct process *p = s->process;
        int error, fd = -1;

        drop_pending(s);
        if (p->failures > 0 && daemon_came(p, a))
                p->failures = 0;
        else if (clock_monotonic_ns() < atomic_load_explicit(&p->next_ns, memory_order_relaxed))
                return p->error != 0 ? p->error : -EAGAIN;
        p->begun_boot_ns = clock_boottime_ns();
        error = handshake_begin(s->address, s->lanes, &fd);
        if (error == 0 && (error = own_socket_of(fd, &s->pending)) < 0)
                close(fd);
        if (error == -EAGAIN) { /* its backlog is full: the daemon is alive */
                p->begun_boot_ns = 0;
                return error;
        }
        if (error < 0)
                return failed(s, a, error);
        atomic_store_explicit(&p->watch, fd + 1, memory_order_relaxed);
        return 0;
}

/* A handle's layout never changes: sfshm_get_layout() and decoded IDs depend on it. */
static bool same_layout(const struct id_layout *x, const struct id_layout *y) {
        return x->tick_bits == y->tick_bits && x->worker_bits == y->worker_bits &&
               x->sequence_bits == y->sequence_bits && x->region_bits == y->region_bits &&
               x->epoch_unix_ms == y->epoch_unix_ms;
}

static int step(struct sfshm *s, struct attachment *a) {
        struct process *p = s->process;
        struct attachment *fresh = NULL;
        int error = p->begun_boot_ns == 0 ? begin(s, a) : 0;

        if (error < 0)
                return error;
        if (!own_socket_valid(s->pending)) {
                s->pending = OWN_SOCKET_NONE; /* the program closed it */
                return failed(s, a, -ECONNRESET);
        }
        error = handshake_finish(s->pending.fd, p->begun_boot_ns, &s->space, &fresh);
        if (error == -EAGAIN && clock_boottime_ns() - p->begun_boot_ns < ANSWER_WITHIN_NS)
                return -EAGAIN;
        if (error < 0)
                return failed(s, a, error == -EAGAIN ? -ETIMEDOUT : error);
        /* the socket now belongs to the new attachment */
        s->pending = OWN_SOCKET_NONE;
        if (!same_layout(&s->layout, &attachment_clock(fresh)->layout)) {
                attachment_discard(fresh);
                return failed(s, a, -EPROTO);
        }
        atomic_store_explicit(&p->watch, 0, memory_order_relaxed);
        p->begun_boot_ns = 0;
        p->failures = 0;
        p->error = 0;
        switch_to(s, a, fresh);
        return 0;
}

/* Runs work(s, a), which never blocks, unless another thread is in such work. */
static int alone(struct sfshm *s, struct attachment *a,
                 int (*work)(struct sfshm *s, struct attachment *a)) {
        struct process *p = s->process;
        uint32_t idle = 0;
        int state, result;

        /* acquire: pairs with the release below, so that steps see each other's plain
         * fields. Nobody waits for the flag: it is not a lock. */
        if (!atomic_compare_exchange_strong_explicit(&p->busy, &idle, 1, memory_order_acquire,
                                                     memory_order_relaxed))
                return -EBUSY;
        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        /* acquire: another thread's step may have switched already */
        if (atomic_load_explicit(&s->attachment, memory_order_acquire) != a)
                result = 0;
        else
                result = work(s, a);
        atomic_store_explicit(&p->busy, 0, memory_order_release);
        (void)pthread_setcancelstate(state, &state);
        return result;
}

int reattach_step(struct sfshm *s, struct attachment *a) {
        int r = process_check(s->process, &s->place);

        return r < 0 ? r : alone(s, a, step);
}

/* ---- upkeep */

/* Takes a step if the daemon has closed its end of `a`. Checks at most once a millisecond. */
static void poke(struct sfshm *s, struct attachment *a, int64_t boot_ns) {
        int64_t looked = atomic_load_explicit(&a->looked_boot_ns, memory_order_relaxed);

        if (boot_ns - looked < LOOK_EVERY_NS ||
            !atomic_compare_exchange_strong_explicit(&a->looked_boot_ns, &looked, boot_ns,
                                                     memory_order_relaxed, memory_order_relaxed))
                return;
        if (attachment_connected(a))
                /* a restarted daemon kept this connection */
                atomic_store_explicit(&a->generation, generation_of(a), memory_order_relaxed);
        else
                (void)reattach_step(s, a);
}

static _Atomic uint32_t *hold_of(struct sfshm *s, uint32_t number) {
        return &s->process->holds[number % PROCESS_HOLDS];
}

static bool held(void *context, uint32_t number) {
        /* seq_cst: pairs with reattach_hold() */
        return atomic_load_explicit(hold_of(context, number), memory_order_seq_cst) != 0;
}

static int tidy(struct sfshm *s, struct attachment *a) {
        if (atomic_load_explicit(&a->begun, memory_order_acquire) != 0)
                attachments_tidy(a, held, s);
        return 0;
}

void reattach_upkeep(struct sfshm *s, struct attachment *a, int64_t boot_ns) {
        uint32_t generation = atomic_load_explicit(&a->generation, memory_order_relaxed);

        if (atomic_load_explicit(&a->tidy, memory_order_relaxed) == 0)
                (void)alone(s, a, tidy);
        if (!clock_owner_live(owner_of(a)) || generation_of(a) != generation)
                poke(s, a, boot_ns);
}

/* ---- waiting */

/*
 * Either the call sees that the handle uses a newer attachment, or attachments_tidy(), which is
 * called after that is so, sees that the call holds this one: both are seq_cst.
 */
bool reattach_hold(struct sfshm *s, struct attachment *a, uint32_t *ret_number) {
        uint32_t number = a->number;

        atomic_fetch_add_explicit(hold_of(s, number), 1, memory_order_seq_cst);
        if (attachment_in_use(a)) {
                *ret_number = number;
                return true;
        }
        reattach_release(s, number);
        return false;
}

void reattach_release(struct sfshm *s, uint32_t number) {
        /* release: what the call did on the pages happened before they go */
        atomic_fetch_sub_explicit(hold_of(s, number), 1, memory_order_release);
}

void reattach_wait(struct sfshm *s, int step, int64_t deadline_ns, int64_t *pause_ns) {
        int64_t left = deadline_ns - clock_monotonic_ns(), pause = clock_next_pause(pause_ns);
        int watch = atomic_load_explicit(&s->process->watch, memory_order_relaxed);
        struct pollfd pollfd = { .fd = watch - 1, .events = POLLIN };
        struct timespec ts;

        if (pause > left)
                pause = left > 0 ? left : 0;
        ts = (struct timespec){ .tv_sec = pause / NS_PER_SECOND,
                                .tv_nsec = pause % NS_PER_SECOND };
        /* By syscall(2), which is not a cancellation point. Only who has just found that there
         * is no answer yet waits for it: another thread may be about to take it. */
        (void)syscall(SYS_ppoll, &pollfd, step == -EAGAIN && watch > 0 ? 1 : 0, &ts, NULL, 0);
}
