/* SPDX-License-Identifier: MIT */
#include "libclient/wait_claim.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/count.h"
#include "libclient/cpu_lane.h"
#include "libclient/process.h"
#include "libclient/reattach.h"
#include "shm/probe.h"

#define HINT_EVERY_NS INT64_C(5000000) /* at most one WANT in this time */
#define GRANT_NEAR_TICKS 20u /* a grant that begins so soon is waited for by the clock */
/* Ask the daemon to run the ticker after this many calls without it in that many ticks. */
#define SELF_CLOCKED_TICKS 16u
#define SELF_CLOCKED_CALLS 64u

struct deadline deadline_of(const struct sfshm *s) {
        return (struct deadline){
                .timeout_ns = atomic_load_explicit(&s->timeout_ns, memory_order_relaxed) };
}

/* CLOCK_MONOTONIC at which the call gives up; INT64_MAX: never. */
static int64_t deadline_ns(struct deadline *d) {
        if (d->timeout_ns < 0)
                return INT64_MAX;
        if (d->at_ns == 0 &&
            __builtin_add_overflow(clock_monotonic_ns(), d->timeout_ns, &d->at_ns))
                d->at_ns = INT64_MAX;
        return d->at_ns;
}

/* A wait that began at a reading of CLOCK_BOOTTIME is over. */
static void note_wait(struct deadline *d, enum wait_reason reason, int64_t since_boot_ns) {
        d->waited_ns[reason] += clock_boottime_ns() - since_boot_ns;
}

int wait_end(const struct sfshm *s, const struct deadline *d, int result) {
        for (unsigned i = 0; i < WAIT_REASONS; i++)
                if (d->waited_ns[i] > 0)
                        /* acquire: as in each call. On an attachment that is retired now it
                         * counts for nothing */
                        count_wait(atomic_load_explicit(&s->attachment, memory_order_acquire), i,
                                   d->waited_ns[i]);
        return result;
}

/* -EAGAIN; a retry makes sense once CLOCK_BOOTTIME has advanced from boot_ns to at_ns. */
static int again(struct sfshm *s, int64_t boot_ns, int64_t at_ns) {
        int64_t left = at_ns > boot_ns ? at_ns - boot_ns : 0;

        atomic_store_explicit(&s->retry_at_ns, clock_monotonic_ns() + left, memory_order_relaxed);
        return -EAGAIN;
}

/* A hint to the daemon. It may get lost; a caller that still needs more sends another. */
static void want(struct sfshm *s, struct attachment *a, uint32_t lane, uint64_t count,
                 int64_t boot_ns) {
        int64_t last = atomic_load_explicit(&s->hinted_boot_ns, memory_order_relaxed);
        struct wire_want message = {
                .header = wire_header_of(WIRE_WANT, WIRE_VERSION),
                .lane = lane,
                .count = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count,
        };

        if (boot_ns - last < HINT_EVERY_NS ||
            !atomic_compare_exchange_strong_explicit(&s->hinted_boot_ns, &last, boot_ns,
                                                     memory_order_relaxed, memory_order_relaxed))
                return;
        PROBE2(want, lane, count);
        attachment_send(a, &message, sizeof(message));
}

/* The ticker is idle. Many calls like this one mean that it should run. */
static void note_self_clocked(struct sfshm *s, struct attachment *a, uint32_t lane, uint64_t tick,
                              int64_t boot_ns) {
        uint64_t since = atomic_load_explicit(&s->self_clocked_tick, memory_order_relaxed);

        if (tick - since > SELF_CLOCKED_TICKS) {
                atomic_store_explicit(&s->self_clocked_tick, tick, memory_order_relaxed);
                atomic_store_explicit(&s->self_clocked, 0, memory_order_relaxed);
        } else if (atomic_fetch_add_explicit(&s->self_clocked, 1, memory_order_relaxed) >
                   SELF_CLOCKED_CALLS) {
                want(s, a, lane, 0, boot_ns);
        }
}

/* What a failed attempt to attach again means to a caller without a valid reservation. */
static int reattach_error(int error) {
        switch (-error) {
        case EDQUOT:
        case EPROTO:
        case ENOSPC:
        case ETIME:
        case ENOMEM:
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case EACCES:
        case ETIMEDOUT: /* it listens but did not answer within 5 s */
                return error;
        default:
                return -ENOTCONN;
        }
}

/* May another attempt succeed, since somebody listens? */
static bool may_pass(int error) {
        return error == -EAGAIN || error == -EBUSY || error == -ECONNRESET;
}

/* The pages have ended, or no reservation is valid and the daemon's end is closed. */
static int attach_again(struct sfshm *s, struct attachment *a, struct deadline *d,
                        int64_t boot_ns) {
        int r = reattach_step(s, a);

        if (r == 0)
                return 0;
        if (!may_pass(r))
                return reattach_error(r);
        if (d->timeout_ns == 0)
                return again(s, boot_ns, boot_ns + 1000000);
        if (clock_monotonic_ns() >= deadline_ns(d))
                return -ETIMEDOUT;
        reattach_wait(s, r, deadline_ns(d), &d->pause_ns);
        note_wait(d, WAIT_ATTACH, boot_ns);
        return 0;
}

/* Sleeps until the daemon has changed something in the grants page, but not for long: nobody
 * wakes it when the daemon is killed. */
static void wait_for_grant(const struct attachment *a, uint32_t seen, int64_t left_ns,
                           struct deadline *d) {
        int64_t pause = clock_next_pause(&d->pause_ns);
        struct timespec ts = { .tv_nsec = left_ns < pause ? left_ns : pause };

        /* shared futex on a read-only mapping; EAGAIN if it has already changed */
        (void)syscall(SYS_futex, &attachment_grants(a)->changed, FUTEX_WAIT, seen, &ts, NULL, 0);
}

static int no_slot(struct sfshm *s, struct attachment *a, uint32_t lane, uint64_t count,
                   struct deadline *d, uint64_t tick, int64_t boot_ns) {
        const struct grants_page *grants = attachment_grants(a);
        /* acquire: pairs with the daemon's release. Loaded before the slots are read
         * once more, so that a grant in between ends the wait at once. */
        uint32_t seen = atomic_load_explicit(&grants->changed, memory_order_acquire);
        uint32_t state = atomic_load_explicit(&attachment_clock(a)->state, memory_order_relaxed);
        uint64_t begins;
        int64_t left;
        int r;

        if (lane_widest(a, lane, tick, &begins) != 0)
                return 0;
        if (!attachment_connected(a))
                return attach_again(s, a, d, boot_ns);
        if (state == CLOCK_STATE_FAILED || tick == CLOCK_NOW_INVALID)
                return -ETIME;
        want(s, a, lane, count, boot_ns);
        if (d->timeout_ns == 0)
                return again(s, boot_ns, boot_ns + 1000000);
        if (begins - tick <= GRANT_NEAR_TICKS) {
                r = clock_wait(a, begins, deadline_ns(d));
                note_wait(d, WAIT_GRANT, boot_ns);
                return r;
        }
        left = d->timeout_ns < 0 ? INT64_MAX : deadline_ns(d) - clock_monotonic_ns();
        if (left <= 0)
                return state == CLOCK_STATE_WAITING ? -ETIME : -ETIMEDOUT;
        wait_for_grant(a, seen, left, d);
        note_wait(d, state == CLOCK_STATE_WAITING ? WAIT_CLOCK : WAIT_GRANT, boot_ns);
        return 0;
}

static int full(struct sfshm *s, struct attachment *a, uint32_t lane, uint64_t count,
                struct deadline *d, uint64_t tick, int64_t boot_ns) {
        bool stands;
        int r;

        /* The daemon sees the overflows of a lane that uses an elastic reservation. Any
         * other lane must ask. */
        if (!lane_on_elastic(a, lane, tick))
                want(s, a, lane, count, boot_ns);
        if (d->timeout_ns == 0) {
                count_overflow(a, lane, OVERFLOW_AGAIN, 0);
                return again(s, boot_ns, clock_boot_of(a, tick + 1));
        }
        r = clock_wait(a, tick + 1, deadline_ns(d));
        /* Not an ordinary overflow if the clock policy lets no tick come for now. Relaxed: the
         * reason chooses error and counter, and decides nothing else. */
        stands = r < 0 && clock_stands(atomic_load_explicit(&attachment_clock(a)->reason,
                                                            memory_order_relaxed));
        count_overflow(a, lane, r < 0 ? OVERFLOW_TIMEOUT : OVERFLOW_WAITED,
                       clock_boottime_ns() - boot_ns);
        note_wait(d, stands ? WAIT_CLOCK : WAIT_OVERFLOW, boot_ns);
        return r == -ETIMEDOUT && stands ? -ETIME : r;
}

/* The lane is full, or has no valid slot: waits, and holds the attachment meanwhile. */
static int wait_for_room(struct sfshm *s, struct attachment *a, uint32_t lane, uint64_t count,
                         struct deadline *d, enum claim_result why, uint64_t tick,
                         int64_t boot_ns) {
        uint32_t number;
        int r;

        if (!reattach_hold(s, a, &number))
                return 0;
        if (why == CLAIM_FULL)
                r = full(s, a, lane, count, d, tick, boot_ns);
        else
                r = no_slot(s, a, lane, count, d, tick, boot_ns);
        reattach_release(s, number);
        return r;
}

int wait_claim(struct sfshm *s, uint64_t min, uint64_t max, bool reach_back, struct deadline *d,
               struct claim *ret) {
        int error = process_check(s->process, &s->place);

        if (error < 0)
                return error;
        for (;;) {
                struct attachment *a = atomic_load_explicit(&s->attachment, memory_order_acquire);
                const struct clock_segment *clock = attachment_clock(a);
                uint32_t lane = cpu_lane(a);
                uint64_t tick;
                int64_t boot_ns;
                int r = 0;

                /* even if the tick at which it stands has positions left */
                if (clock_held(clock))
                        return -ETIME;
                switch (lane_claim(a, lane, min, max, reach_back ? a->reach_back_ticks : 0, ret,
                                   &tick, &boot_ns)) {
                case CLAIM_GOT:
                        if (atomic_load_explicit(&clock->now, memory_order_relaxed) ==
                            CLOCK_NOW_INVALID)
                                note_self_clocked(s, a, lane, tick, boot_ns);
                        reattach_upkeep(s, a, boot_ns);
                        return 0;
                case CLAIM_FULL:
                        reattach_upkeep(s, a, boot_ns);
                        r = wait_for_room(s, a, lane, max, d, CLAIM_FULL, tick, boot_ns);
                        break;
                case CLAIM_NO_SLOT:
                        r = wait_for_room(s, a, lane, max, d, CLAIM_NO_SLOT, tick, boot_ns);
                        break;
                case CLAIM_ENDED:
                        r = attach_again(s, a, d, boot_ns);
                        break;
                case CLAIM_LEFT:
                case CLAIM_LOST:
                        break;
                }
                if (r < 0)
                        return r;
        }
}
