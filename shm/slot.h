/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A slot holds one reservation: the positions [start, start + width) in the
 * ticks [t0, t1). The daemon writes it and the client reads it. The daemon keeps
 * the same record in the ledger.
 *
 * Writer (one thread, the ledger's), rule 1:
 *     sequence := odd | release barrier | t0 | span (release) | t1 | sequence := even (release)
 * An extension or a withdrawal is one store of t1 and leaves the sequence unchanged. A
 * daemon that is killed at any point therefore leaves the old promise, the new one, or an
 * odd slot, which readers skip.
 *
 * There are two ways to read a slot:
 *   slot_read()  reads the whole slot. It loads `sequence` (acquire), the fields,
 *                executes an acquire barrier, and loads `sequence` again. If both
 *                values are equal and even, no field came from another grant. The
 *                barrier is needed where loads may pass each other (arm64): an
 *                acquire on the second load would order the loads after it, not
 *                those before it.
 *   slot_span_at() is the hot path's. The caller knows, from a slot_read() which
 *                happened before, that this slot was granted for `tick`. It loads
 *                span (acquire), then t0. A later grant stores its t0 before its
 *                span (release), and by rule 2 that t0 is above `tick`, also when
 *                the known grant was withdrawn meanwhile (rule 14). A reader that
 *                sees a later span therefore sees a t0 > tick, so t0 <= tick proves
 *                that the span is the known one.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUN_WIDTH_MAX (UINT32_C(1) << 22)    /* positions of a host; rule 12: an offset has 2^23 */
#define SLOT_WIDTH_MAX (RUN_WIDTH_MAX - 1u) /* tells a full cursor from one that began full */
#define SLOTS_PER_LANE 4u

struct slot {
        _Atomic uint64_t sequence; /* odd: being written, or its writer died */
        _Atomic uint64_t span;     /* start << 32 | width, both in positions */
        _Atomic uint64_t t0;       /* first tick */
        _Atomic uint64_t t1;       /* first tick after; may grow; less only by slot_withdraw() */
};
_Static_assert(sizeof(struct slot) == 32, "slot: size");
_Static_assert(offsetof(struct slot, sequence) == 0, "slot: sequence");
_Static_assert(offsetof(struct slot, span) == 8, "slot: span");
_Static_assert(offsetof(struct slot, t0) == 16, "slot: t0");
_Static_assert(offsetof(struct slot, t1) == 24, "slot: t1");

/* A rectangle: positions [start, start+width) x ticks [t0, t1). */
struct rectangle {
        uint32_t start;
        uint32_t width;
        uint64_t t0;
        uint64_t t1;
};

static inline uint64_t span_pack(uint32_t start, uint32_t width) {
        return (uint64_t)start << 32 | width;
}
static inline uint32_t span_start(uint64_t span) {
        return (uint32_t)(span >> 32);
}
static inline uint32_t span_width(uint64_t span) {
        return (uint32_t)span;
}

/* Rule 5: without a sum that could wrap. */
static inline bool span_fits(uint64_t offset, uint64_t count, uint32_t width) {
        return offset < width && count <= width - offset;
}

static inline bool rectangle_at(const struct rectangle *r, uint64_t tick) {
        return r->width != 0 && tick >= r->t0 && tick < r->t1;
}

/* True when the two share a position in a tick (U2). */
static inline bool rectangle_overlaps(const struct rectangle *a, const struct rectangle *b) {
        return a->t0 < b->t1 && b->t0 < a->t1 &&
               a->start < (uint64_t)b->start + b->width &&
               b->start < (uint64_t)a->start + a->width;
}

/* Returns true and sets *ret if the slot holds a consistent grant. The grant may have
 * ended or may begin later: see rectangle_at(). Never spins: an odd slot is invalid. */
static inline bool slot_read(const struct slot *slot, struct rectangle *ret) {
        /* pairs with the release store of the even sequence in slot_grant() */
        uint64_t before = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        uint64_t span = atomic_load_explicit(&slot->span, memory_order_relaxed);
        uint64_t t0 = atomic_load_explicit(&slot->t0, memory_order_relaxed);
        uint64_t t1 = atomic_load_explicit(&slot->t1, memory_order_relaxed);

        /* pairs with the release barrier after the odd sequence */
        atomic_thread_fence(memory_order_acquire);
        if ((before & 1) != 0 ||
            atomic_load_explicit(&slot->sequence, memory_order_relaxed) != before)
                return false;
        *ret = (struct rectangle){
                .start = span_start(span), .width = span_width(span), .t0 = t0, .t1 = t1 };
        return true;
}

/* The hot path's read, see above; 0 (no width) if the slot holds a later grant. */
static inline uint64_t slot_span_at(const struct slot *slot, uint64_t tick) {
        uint64_t span = atomic_load_explicit(&slot->span, memory_order_acquire);
        uint64_t t0 = atomic_load_explicit(&slot->t0, memory_order_relaxed);

        return __builtin_expect(t0 <= tick, 1) ? span : 0;
}

/* Called between every two stores. The daemon's fault injection stops there; all other
 * callers pass a function that does nothing. */
typedef void (*slot_step_fn)(void);

/* The stores of a grant, in the order on which readers rely. */
static inline void slot_store(struct slot *slot, const struct rectangle *r, slot_step_fn step) {
        uint64_t odd = atomic_load_explicit(&slot->sequence, memory_order_relaxed) | 1;

        atomic_store_explicit(&slot->sequence, odd, memory_order_relaxed);
        atomic_thread_fence(memory_order_release);
        step();
        atomic_store_explicit(&slot->t0, r->t0, memory_order_relaxed);
        step();
        /* release: a reader that sees this span sees the t0 above (slot_span_at) */
        atomic_store_explicit(&slot->span, span_pack(r->start, r->width), memory_order_release);
        step();
        atomic_store_explicit(&slot->t1, r->t1, memory_order_relaxed);
        step();
        atomic_store_explicit(&slot->sequence, odd + 1, memory_order_release);
        step();
}

/*
 * Writes a new grant. -EINVAL: the rectangle is empty or too wide; -EBUSY: it would
 * begin before the slot's own old t1 (rule 2). Neither writes anything. An odd slot,
 * whose writer died, is written like any other: its old t1, of the old grant or the
 * new one, still bounds the new t0.
 */
static inline int slot_grant(struct slot *slot, const struct rectangle *r, slot_step_fn step) {
        if (r->width == 0 || r->width > SLOT_WIDTH_MAX || r->t0 >= r->t1)
                return -EINVAL;
        if (r->t0 < atomic_load_explicit(&slot->t1, memory_order_relaxed))
                return -EBUSY;
        slot_store(slot, r, step);
        return 0;
}

/* One store, the first of a withdrawal (rule 14): the caller sees to everything that must
 * follow. What ends by then already is left alone. */
static inline void slot_withdraw(struct slot *slot, uint64_t t1) {
        /* relaxed: a reader that misses it has read its clock before the caller reads it
         * again behind a barrier */
        if (t1 < atomic_load_explicit(&slot->t1, memory_order_relaxed))
                atomic_store_explicit(&slot->t1, t1, memory_order_relaxed);
}

/* One store. -EINVAL, and nothing is written, if t1 would shrink or the slot is odd. */
static inline int slot_extend(struct slot *slot, uint64_t t1) {
        if ((atomic_load_explicit(&slot->sequence, memory_order_relaxed) & 1) != 0 ||
            t1 < atomic_load_explicit(&slot->t1, memory_order_relaxed))
                return -EINVAL;
        /* relaxed: only t1 changes; a reader that misses it sees the shorter promise */
        atomic_store_explicit(&slot->t1, t1, memory_order_relaxed);
        return 0;
}
