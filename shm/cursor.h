/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The cursor: the one word of a lane which the library adds to.
 *
 *   63      62 .............. 25   24 .. 23   22 .......... 0
 *   closed  tick since base (ms)   slot       offset
 *
 * The tick is in the word, so a stale thread is never taken for a fresh one.
 * The slot is in the word, so it changes only together with the tick, and the
 * order of a lane holds across slots (rule 6). Values of a cursor only grow,
 * but for the clamp of rule 12, which moves between values that are all full.
 *
 * A page's base tick is the tick before its birth; a new cursor is the full
 * tick 0, so that the first claim advances it.
 */
#include <stdbool.h>
#include <stdint.h>

#define CURSOR_OFFSET_BITS 23u
#define CURSOR_SLOT_SHIFT 23u
#define CURSOR_TICK_SHIFT 25u
#define CURSOR_TICK_BITS 38u
#define CURSOR_OFFSET_MASK ((UINT64_C(1) << CURSOR_OFFSET_BITS) - 1)
#define CURSOR_CLOSED (UINT64_C(1) << 63)
#define CURSOR_TICK_MAX ((UINT64_C(1) << CURSOR_TICK_BITS) - 1) /* 8.7 years */
#define CURSOR_OFFSET_FULL (UINT64_C(1) << 22)                  /* above every width */
/* The clock is looked at anew whenever an offset is a multiple of this (T1). */
#define CURSOR_VERIFY_EVERY 64u

/* tick: since the page's base */
static inline uint64_t cursor_pack(uint64_t tick, unsigned slot, uint64_t offset) {
        return tick << CURSOR_TICK_SHIFT | (uint64_t)slot << CURSOR_SLOT_SHIFT | offset;
}
static inline uint64_t cursor_tick(uint64_t cursor) {
        return (cursor & ~CURSOR_CLOSED) >> CURSOR_TICK_SHIFT;
}
static inline unsigned cursor_slot(uint64_t cursor) {
        return (unsigned)(cursor >> CURSOR_SLOT_SHIFT) & 3u;
}
static inline uint64_t cursor_offset(uint64_t cursor) {
        return cursor & CURSOR_OFFSET_MASK;
}
static inline bool cursor_closed(uint64_t cursor) {
        return (cursor & CURSOR_CLOSED) != 0;
}
/* Tick and slot, offset 0. */
static inline uint64_t cursor_key(uint64_t cursor) {
        return cursor & ~CURSOR_OFFSET_MASK;
}

/* How many positions of its tick a cursor has used up, in a slot of that
 * width. A tick that was born full has used none. */
static inline uint64_t cursor_used(uint64_t cursor, uint32_t width) {
        uint64_t offset = cursor_offset(cursor);

        if (offset >= CURSOR_OFFSET_FULL)
                return 0;
        return offset < width ? offset : width;
}

#define CURSOR_SKEW_LIMIT 32u

/*
 * Where a tick begins. After a quiet tick a small pseudo-random offset, so
 * that `id % N` is even for N <= 16 when idle; after a full one 0, so that
 * nothing is lost at saturation. Below half the width, for narrow slots.
 */
static inline uint32_t cursor_skew(uint64_t tick, uint64_t salt, uint32_t width) {
        uint32_t limit = width / 2 < CURSOR_SKEW_LIMIT ? width / 2 : CURSOR_SKEW_LIMIT;
        uint64_t mixed = (tick ^ salt) * UINT64_C(0x9e3779b97f4a7c15);

        return limit == 0 ? 0 : (uint32_t)(mixed >> 40) % limit;
}
