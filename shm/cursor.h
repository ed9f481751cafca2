/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The cursor: the word of a lane to which the library adds.
 *
 *   63      62 .............. 25   24 .. 23   22 .......... 0
 *   0       tick since base (ms)   slot       offset
 *
 * The word contains the tick, so a stale thread is never taken for a fresh one. It
 * contains the slot, so the slot changes only together with the tick, and the order
 * of a lane holds across slots (rule 6). The value of a cursor only grows, except in
 * the clamp of rule 12, which moves between values that are all full.
 *
 * A page's base tick is the tick before the page was made. A new cursor is tick 0,
 * full, so that the first claim advances it.
 */
#include <stdbool.h>
#include <stdint.h>

#define CURSOR_OFFSET_BITS 23u
#define CURSOR_SLOT_SHIFT 23u
#define CURSOR_TICK_SHIFT 25u
#define CURSOR_TICK_BITS 38u
#define CURSOR_OFFSET_MASK ((UINT64_C(1) << CURSOR_OFFSET_BITS) - 1)
#define CURSOR_TICK_MAX ((UINT64_C(1) << CURSOR_TICK_BITS) - 1) /* 8.7 years */
#define CURSOR_OFFSET_FULL (UINT64_C(1) << 22)                  /* larger than every width */
/* The clock is read again at every offset that is a multiple of this (T1). */
#define CURSOR_VERIFY_EVERY 64u

/* `tick` counts from the page's base */
static inline uint64_t cursor_pack(uint64_t tick, unsigned slot, uint64_t offset) {
        return tick << CURSOR_TICK_SHIFT | (uint64_t)slot << CURSOR_SLOT_SHIFT | offset;
}
static inline uint64_t cursor_tick(uint64_t cursor) {
        return cursor >> CURSOR_TICK_SHIFT;
}
static inline unsigned cursor_slot(uint64_t cursor) {
        return (unsigned)(cursor >> CURSOR_SLOT_SHIFT) & 3u;
}
static inline uint64_t cursor_offset(uint64_t cursor) {
        return cursor & CURSOR_OFFSET_MASK;
}
/* Tick and slot, offset 0. */
static inline uint64_t cursor_key(uint64_t cursor) {
        return cursor & ~CURSOR_OFFSET_MASK;
}

/* How many positions of its tick a cursor has used, in a slot of that width. A tick
 * that began full has used none. */
static inline uint64_t cursor_used(uint64_t cursor, uint32_t width) {
        uint64_t offset = cursor_offset(cursor);

        if (offset >= CURSOR_OFFSET_FULL)
                return 0;
        return offset < width ? offset : width;
}

#define CURSOR_SKEW_LIMIT 32u

/*
 * The offset at which a tick begins. After a tick that was not full it is small and
 * pseudo-random, so that `id % N` is evenly distributed for N <= 16 under low load.
 * After a full tick it is 0, so that saturation loses nothing. It stays below half
 * the width for the sake of narrow slots.
 */
static inline uint32_t cursor_skew(uint64_t tick, uint64_t salt, uint32_t width) {
        uint32_t limit = width / 2 < CURSOR_SKEW_LIMIT ? width / 2 : CURSOR_SKEW_LIMIT;
        uint64_t mixed = (tick ^ salt) * UINT64_C(0x9e3779b97f4a7c15);

        return limit == 0 ? 0 : (uint32_t)(mixed >> 40) % limit;
}
