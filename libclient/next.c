/* SPDX-License-Identifier: MIT */
#include "libclient/sfshm.h"

#include "libclient/clock.h"
#include "libclient/cpu_lane.h"
#include "libclient/reattach.h"
#include "libclient/wait_claim.h"

/* All cases that the hot path cannot decide. `cursor` is the result of the caller's add, if
 * it made one; it is used if it is valid after all. */
static __attribute__((noinline, cold)) int next_slow(struct sfshm *s, struct attachment *a,
                                                     const struct lane_at *at, bool added,
                                                     uint64_t cursor, uint64_t *ret_id) {
        struct deadline deadline = deadline_of(s);
        struct claim c;
        int64_t boot_ns;
        int r;

        if (added && lane_judge(a, lane_of(a, at), cursor, &c, &boot_ns)) {
                *ret_id = claim_first_id(&c);
                reattach_upkeep(s, a, boot_ns);
                return 0;
        }
        r = wait_end(s, &deadline, wait_claim(s, 1, 1, false, &deadline, &c));
        if (r < 0)
                return r;
        *ret_id = claim_first_id(&c);
        return 0;
}

/* At every 64th offset: is it still the tick that `now` says? The position already belongs
 * to the caller; only its time is in question. */
static __attribute__((noinline)) int next_verified(struct sfshm *s, struct attachment *a,
                                                   const struct lane_at *at, uint64_t cursor,
                                                   uint64_t id, uint64_t *ret_id) {
        int64_t boot_ns;

        if (!clock_is_at(a, id >> a->position_bits, &boot_ns))
                return next_slow(s, a, at, true, cursor, ret_id);
        reattach_upkeep(s, a, boot_ns);
        *ret_id = id;
        return 0;
}

/*
 * The hot path: loads, then one add, then one comparison.
 *
 *   owner (acquire), now   in this order, see shm/clock.h: with a live owner `now`
 *                          is the tick of a running ticker, or INVALID
 *   key (acquire)          tick and slot that this process knows to be granted
 *   span (acquire), t0     that slot's positions at that tick, see shm/slot.h
 *   add 1 to the cursor    acq_rel: the cursor orders the IDs of a lane
 *
 * `cursor - key` is the offset if the cursor is in exactly that tick and slot, and
 * far above any width otherwise (another tick, another slot, closed). The slot was
 * found granted for that tick by a clock reading made before, and what is withdrawn
 * since goes to nobody else at such a tick (rules 14 and 15). So the position belongs to the caller, however long the thread slept between any
 * two of these lines.
 *
 * A lane's hint, slots and cursor have one stride (attachment.h), so one address
 * reaches all three.
 */
static inline __attribute__((always_inline)) int next_in(struct sfshm *s, struct attachment *a,
                                                         const struct lane_at *at,
                                                         uint64_t *ret_id) {
        const struct clock_segment *clock = attachment_clock(a);
        uint32_t owner = atomic_load_explicit(&clock->owner, memory_order_acquire);
        uint64_t now = atomic_load_explicit(&clock->now, memory_order_relaxed);
        uint64_t key = atomic_load_explicit(lane_at_key(at), memory_order_acquire);
        uint64_t span, cursor, offset, id;

        if (__builtin_expect(key >> CURSOR_TICK_SHIFT != now - a->base_tick ||
                                     !clock_owner_live(owner), 0))
                return next_slow(s, a, at, false, 0, ret_id);
        span = slot_span_at(lane_at_slot(at, key), now);
        if (__builtin_expect(span == 0, 0))
                return next_slow(s, a, at, false, 0, ret_id);
        cursor = atomic_fetch_add_explicit(lane_at_cursor(at), 1, memory_order_acq_rel);
        offset = cursor - key;
        if (__builtin_expect(offset >= span_width(span), 0))
                return next_slow(s, a, at, true, cursor, ret_id);
        id = (now << a->position_bits) + span_start(span) + offset;
        if (__builtin_expect(offset % CURSOR_VERIFY_EVERY == 0, 0))
                return next_verified(s, a, at, cursor, id, ret_id);
        *ret_id = id;
        return 0;
}

/* A function of its own, so that the path of an ordered handle is shorter. */
static __attribute__((noinline, aligned(64))) int next_parallel(struct sfshm *s, struct attachment *a,
                                                   uint64_t *ret_id) {
        return next_in(s, a, lane_at(a, cpu_lane_parallel(a)), ret_id);
}

/* Aligned: it was measured a cycle slower otherwise. */
__attribute__((aligned(64))) int sfshm_next(sfshm *s, uint64_t *ret_id) {
        struct attachment *a = atomic_load_explicit(&s->attachment, memory_order_acquire);

        if (a->lane_mask != 0)
                return next_parallel(s, a, ret_id);
        return next_in(s, a, lane_at(a, 0), ret_id);
}
