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

bool lane_judge(struct attachment *a, uint32_t lane, uint64_t cursor, struct claim *ret,
                int64_t *ret_boot_ns) {
        uint64_t tick = a->base_tick + cursor_tick(cursor);
        struct rectangle r;

        if (cursor_closed(cursor) || !slot_of_cursor(a, lane, cursor, &r) ||
            !span_fits(cursor_offset(cursor), 1, r.width) || clock_tick_now(a, ret_boot_ns) != tick)
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
        /* acq_rel: the cursor orders the claims of a lane; nothing else depends on it */
        if (!atomic_compare_exchange_strong_explicit(&words->cursor, &cursor, cursor + count,
                                                     memory_order_acq_rel, memory_order_relaxed))
                return CLAIM_LOST;
        hint_set(a, lane, cursor, &r);
        *ret = (struct claim){ .tick = tick, .start = r.start,
                               .width = r.width, .offset = (uint32_t)offset,
                               .position_bits = a->position_bits, .count = count };
        return CLAIM_GOT;
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
                return CLAIM_CLOSED; /* the pages end after 8.7 years */
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
        /* acq_rel as in claim_here() */
        if (!atomic_compare_exchange_strong_explicit(&lane_words_of(a, lane)->cursor, &cursor, next,
                                                     memory_order_acq_rel, memory_order_relaxed))
                return CLAIM_LOST;
        count_finished(a, lane, finished);
        count_begun(a, lane, &r, offset, tick - first);
        hint_set(a, lane, next, &r);
        *ret = (struct claim){ .tick = first, .start = r.start, .width = r.width,
                               .offset = offset, .position_bits = a->position_bits,
                               .count = count };
        return CLAIM_GOT;
}

enum claim_result lane_claim(struct attachment *a, uint32_t lane, uint64_t min, uint64_t max,
                             uint64_t reach_back_ticks, struct claim *ret, uint64_t *ret_tick,
                             int64_t *ret_boot_ns) {
        struct lane_words *words = lane_words_of(a, lane);

        for (;;) {
                /* acquire: pairs with the release of the caller that moved it */
                uint64_t cursor = atomic_load_explicit(&words->cursor, memory_order_acquire);
                uint64_t at = a->base_tick + cursor_tick(cursor);
                uint64_t tick = clock_tick_now(a, ret_boot_ns);
                enum claim_result result;

                *ret_tick = tick;
                if (cursor_closed(cursor))
                        return CLAIM_CLOSED;
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

uint64_t lanes_close(struct attachment *a) {
        uint64_t last_tick = 0;

        for (uint32_t lane = 0; lane < a->lanes; lane++) {
                struct lane_words *words = lane_words_of(a, lane);
                /* acq_rel: every add after this one returns a closed value */
                uint64_t cursor = atomic_fetch_or_explicit(&words->cursor, CURSOR_CLOSED,
                                                           memory_order_acq_rel);
                uint64_t tick = a->base_tick + cursor_tick(cursor);

                if (!cursor_closed(cursor))
                        count_finished(a, lane, cursor);
                if (tick > last_tick)
                        last_tick = tick;
        }
        return last_tick;
}

void lanes_begin_after(struct attachment *a, uint64_t last_tick) {
        uint64_t since;

        if (last_tick <= a->base_tick)
                return;
        since = last_tick - a->base_tick;
        if (since > CURSOR_TICK_MAX)
                since = CURSOR_TICK_MAX;
        /* relaxed: published by the release store of the handle's attachment */
        for (uint32_t lane = 0; lane < a->lanes; lane++)
                atomic_store_explicit(&lane_words_of(a, lane)->cursor,
                                      cursor_pack(since, 0, CURSOR_OFFSET_FULL),
                                      memory_order_relaxed);
}
