/* SPDX-License-Identifier: MIT */
#include "libclient/lane.h"

#include "libclient/clock.h"
#include "libclient/count.h"

static const struct slot *slots_of(const struct attachment *a, uint32_t lane) {
        return attachment_grants(a)->slots[lane];
}

/* The slot of that cursor, if it is valid at the cursor's tick. */
static bool slot_of_cursor(const struct attachment *a, uint32_t lane, uint64_t cursor,
                           struct rectangle *ret) {
        return slot_read(&slots_of(a, lane)[cursor_slot(cursor)], ret) &&
               rectangle_at(ret, a->base_tick + cursor_tick(cursor));
}

/* The widest slot valid at `tick`, or false. */
static bool pick_slot(const struct attachment *a, uint32_t lane, uint64_t tick,
                      struct rectangle *ret, unsigned *ret_slot) {
        bool found = false;

        for (unsigned slot = 0; slot < SLOTS_PER_LANE; slot++) {
                struct rectangle r;

                if (!slot_read(&slots_of(a, lane)[slot], &r) || !rectangle_at(&r, tick) ||
                    r.width > SLOT_WIDTH_MAX || (found && r.width <= ret->width))
                        continue;
                *ret = r;
                *ret_slot = slot;
                found = true;
        }
        return found;
}

uint32_t lane_widest(const struct attachment *a, uint32_t lane, uint64_t tick,
                     uint64_t *ret_begins) {
        struct rectangle r;
        unsigned slot;

        if (pick_slot(a, lane, tick, &r, &slot))
                return r.width;
        *ret_begins = UINT64_MAX;
        for (slot = 0; slot < SLOTS_PER_LANE; slot++)
                if (slot_read(&slots_of(a, lane)[slot], &r) && r.width != 0 && r.t0 > tick &&
                    r.t0 < r.t1 && r.t0 < *ret_begins)
                        *ret_begins = r.t0;
        return 0;
}

bool lane_on_elastic(const struct attachment *a, uint32_t lane, uint64_t tick) {
        /* relaxed: any recent value will do */
        uint64_t cursor = atomic_load_explicit(&lane_words_of(a, lane)->cursor,
                                               memory_order_relaxed);

        return a->base_tick + cursor_tick(cursor) == tick &&
               cursor_slot(cursor) >= SLOT_ELASTIC_A && cursor_offset(cursor) < CURSOR_OFFSET_FULL;
}

/*
 * The caller has established by slot_read() that `r` is this slot's grant at the
 * cursor's tick, and has read the clock itself before that (rule 15): otherwise the
 * daemon might have withdrawn the grant below that tick. From now on the hot path may
 * use it.
 */
static void hint_set(struct attachment *a, uint32_t lane, uint64_t cursor,
                     const struct rectangle *r) {
        struct lane_hint *hint = &a->hints[lane];

        atomic_store_explicit(&hint->span, span_pack(r->start, r->width), memory_order_relaxed);
        /* release: pairs with the acquire load in sfshm_next() */
        atomic_store_explicit(&hint->key, cursor_key(cursor), memory_order_release);
}

/* Ends a claim, which has moved the cursor. See lanes_begin(). */
static enum claim_result claimed(struct attachment *a, uint32_t lane, uint64_t cursor,
                                 const struct rectangle *r) {
        if (!attachment_in_use(a))
                return CLAIM_LEFT;
        hint_set(a, lane, cursor, r);
        return CLAIM_GOT;
}

bool lane_judge(struct attachment *a, uint32_t lane, uint64_t cursor, struct claim *ret,
                int64_t *ret_boot_ns) {
        uint64_t tick = a->base_tick + cursor_tick(cursor);
        struct rectangle r;

        if (!slot_of_cursor(a, lane, cursor, &r) ||
            !span_fits(cursor_offset(cursor), 1, r.width) || clock_tick_now(a, ret_boot_ns) != tick)
                return false;
        /* between the caller's add and the look, see lanes_begin() */
        atomic_thread_fence(memory_order_seq_cst);
        if (!attachment_in_use(a))
                return false;
        *ret = (struct claim){ .tick = tick, .start = r.start, .width = r.width,
                               .offset = (uint32_t)cursor_offset(cursor),
                               .position_bits = a->position_bits, .count = 1 };
        return true;
}

/* Rule 12: adds that came too late have moved the offset past the width, or past the mark of
 * a tick that began full. */
static void clamp(struct lane_words *words, uint64_t cursor, uint32_t width) {
        uint64_t offset = cursor_offset(cursor);
        uint64_t full = offset < CURSOR_OFFSET_FULL ? width : CURSOR_OFFSET_FULL;

        /* relaxed: the tick is full before and after, so nobody learns anything from it */
        if (offset > full)
                (void)atomic_compare_exchange_strong_explicit(&words->cursor, &cursor,
                                                              cursor_key(cursor) | full,
                                                              memory_order_relaxed,
                                                              memory_order_relaxed);
}

/* Claims more of the cursor's tick. */
static enum claim_result claim_here(struct attachment *a, uint32_t lane, uint64_t cursor,
                                    uint64_t min, uint64_t max, struct claim *ret) {
        struct lane_words *words = lane_words_of(a, lane);
        uint64_t offset = cursor_offset(cursor), tick = a->base_tick + cursor_tick(cursor), count;
        struct rectangle r;

        if (!slot_of_cursor(a, lane, cursor, &r))
                return CLAIM_FULL;
        if (!span_fits(offset, min, r.width)) {
                if (offset >= r.width)
                        clamp(words, cursor, r.width);
                return CLAIM_FULL;
        }
        count = r.width - offset < max ? r.width - offset : max;
        /* acq_rel for the order of the lane's claims; seq_cst for claimed() */
        if (!atomic_compare_exchange_strong_explicit(&words->cursor, &cursor, cursor + count,
                                                     memory_order_seq_cst, memory_order_relaxed))
                return CLAIM_LOST;
        *ret = (struct claim){ .tick = tick, .start = r.start,
                               .width = r.width, .offset = (uint32_t)offset,
                               .position_bits = a->position_bits, .count = count };
        return claimed(a, lane, cursor, &r);
}

/* The offset of the claim in the first of its ticks. */
static uint32_t first_offset(const struct attachment *a, uint32_t lane, uint64_t cursor,
                             uint64_t tick, uint64_t max, const struct rectangle *r) {
        struct rectangle old;
        bool follows = a->base_tick + cursor_tick(cursor) + 1 == tick;
        uint32_t skew;

        if (follows && slot_of_cursor(a, lane, cursor, &old) && cursor_offset(cursor) >= old.width)
                return 0; /* the tick before was full: waste nothing */
        skew = cursor_skew(tick, a->client + lane, r->width);
        return max <= r->width - skew ? skew : 0;
}

/* The first tick of a claim that may reach back: the latest that suffices. */
static uint64_t first_tick(const struct attachment *a, uint64_t cursor, uint64_t tick, uint64_t max,
                           uint64_t reach_back_ticks, const struct rectangle *r) {
        uint64_t lowest = a->base_tick + cursor_tick(cursor) + 1;
        uint64_t wanted = (max - 1) / r->width; /* ticks before this one */

        if (wanted > reach_back_ticks)
                wanted = reach_back_ticks;
        if (wanted > tick - r->t0)
                wanted = tick - r->t0;
        return wanted > tick - lowest ? lowest : tick - wanted;
}

/* The cursor is behind the clock: advances it. The winner of the swap owns what it claims
 * and counts the finished tick. */
static enum claim_result claim_next(struct attachment *a, uint32_t lane, uint64_t finished,
                                    uint64_t tick, uint64_t min, uint64_t max,
                                    uint64_t reach_back_ticks, struct claim *ret) {
        struct rectangle r;
        uint64_t cursor = finished, first, room, count, last_offset, next;
        uint32_t offset;
        unsigned slot;

        if (tick - a->base_tick > CURSOR_TICK_MAX)
                return CLAIM_ENDED;
        if (!pick_slot(a, lane, tick, &r, &slot))
                return CLAIM_NO_SLOT;
        first = first_tick(a, finished, tick, max, reach_back_ticks, &r);
        offset = first == tick ? first_offset(a, lane, finished, tick, max, &r) : 0;
        room = (tick - first + 1) * r.width - offset;
        if (min > room)
                return CLAIM_FULL;
        count = max < room ? max : room;
        last_offset = offset + count - (tick - first) * r.width;
        next = cursor_pack(tick - a->base_tick, slot, last_offset);
        /* seq_cst as in claim_here() */
        if (!atomic_compare_exchange_strong_explicit(&lane_words_of(a, lane)->cursor, &cursor, next,
                                                     memory_order_seq_cst, memory_order_relaxed))
                return CLAIM_LOST;
        count_finished(a, lane, finished);
        count_begun(a, lane, &r, offset, tick - first);
        *ret = (struct claim){ .tick = first, .start = r.start, .width = r.width,
                               .offset = offset, .position_bits = a->position_bits,
                               .count = count };
        return claimed(a, lane, next, &r);
}

enum claim_result lane_claim(struct attachment *a, uint32_t lane, uint64_t min, uint64_t max,
                             uint64_t reach_back_ticks, struct claim *ret, uint64_t *ret_tick,
                             int64_t *ret_boot_ns) {
        struct lane_words *words = lane_words_of(a, lane);

        /* acquire: pairs with the release in lanes_begin() */
        if (atomic_load_explicit(&a->begun, memory_order_acquire) == 0)
                lanes_begin(a);
        for (;;) {
                /* acquire: pairs with the release of the caller that moved it */
                uint64_t cursor = atomic_load_explicit(&words->cursor, memory_order_acquire);
                uint64_t at = a->base_tick + cursor_tick(cursor);
                uint64_t tick = clock_tick_now(a, ret_boot_ns);
                enum claim_result result;

                *ret_tick = tick;
                /* The clock was read after the cursor, so it is not behind it unless
                 * garbage was written to the page: then wait for it. */
                if (tick == CLOCK_NOW_INVALID || tick < at)
                        return tick == CLOCK_NOW_INVALID ? CLAIM_NO_SLOT : CLAIM_FULL;
                result = tick == at ? claim_here(a, lane, cursor, min, max, ret)
                                    : claim_next(a, lane, cursor, tick, min, max,
                                                 reach_back_ticks, ret);
                if (result == CLAIM_LOST)
                        continue;
                /* The key's tick has passed or is full: no more adds to it, even if `now`
                 * stands still because the ticker does (T1, rule 12). Relaxed: a hint. */
                if (result != CLAIM_GOT)
                        atomic_store_explicit(&a->hints[lane].key, HINT_NONE, memory_order_relaxed);
                return result;
        }
}

static uint64_t lanes_last_tick(const struct attachment *a) {
        uint64_t last_tick = 0;

        for (uint32_t lane = 0; lane < a->lanes; lane++) {
                /* relaxed: ordered by the barrier of the caller */
                uint64_t cursor = atomic_load_explicit(&lane_words_of(a, lane)->cursor,
                                                       memory_order_relaxed);

                if (a->base_tick + cursor_tick(cursor) > last_tick)
                        last_tick = a->base_tick + cursor_tick(cursor);
        }
        return last_tick;
}

/* A full tick: the first claim must take a later one. A cursor that is there already is left
 * alone. */
static void lane_raise(struct attachment *a, uint32_t lane, uint64_t full) {
        _Atomic uint64_t *cursor = &lane_words_of(a, lane)->cursor;
        uint64_t seen = atomic_load_explicit(cursor, memory_order_relaxed);

        /* relaxed: published by `begun` */
        while (seen < full && atomic_load_explicit(&a->begun, memory_order_relaxed) == 0 &&
               !atomic_compare_exchange_weak_explicit(cursor, &seen, full, memory_order_relaxed,
                                                      memory_order_relaxed))
                ;
}

/*
 * O1 across the switch to `a`, while the old lanes stay open for relatives. Whoever claims in
 * the old attachment moves its cursor and only then looks whether the handle still uses it
 * (claimed(), lane_judge()). Whoever comes here knows that the handle does not, and only then
 * reads that cursor. The two steps of each are sequentially consistent (by a barrier where the
 * first is the hot path's add), so at least one of the two sees the other: either the claim is discarded, or the new lanes begin
 * above it. The hot path does not look, but its IDs are of the tick of a key, which is stored
 * only after a claim that has looked. So every ID of the old lanes that this process still
 * returns is below every ID of the new ones, however long its thread slept.
 */
void lanes_begin(struct attachment *a) {
        const struct attachment *older = atomic_load_explicit(&a->older, memory_order_relaxed);
        uint64_t last_tick, since;

        atomic_thread_fence(memory_order_seq_cst);
        last_tick = older != NULL ? lanes_last_tick(older) : 0;
        since = last_tick > a->base_tick ? last_tick - a->base_tick : 0;
        if (since > CURSOR_TICK_MAX)
                since = CURSOR_TICK_MAX;
        for (uint32_t lane = 0; lane < a->lanes; lane++)
                lane_raise(a, lane, cursor_pack(since, 0, CURSOR_OFFSET_FULL));
        /* release: pairs with the acquire load in lane_claim() */
        atomic_store_explicit(&a->begun, 1, memory_order_release);
}
