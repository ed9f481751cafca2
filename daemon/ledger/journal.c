/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/journal.h"

#include "daemon/util/kill_point.h"

#define SPAN_SHIFT 48
#define BEFORE_SHIFT 32
#define END_SHIFT 16
#define SUM_MODULUS UINT64_C(0xffff)
/* Of the 16 bits of the count: the odd one of a write and the even one after it fit. */
#define COUNT_MASK UINT64_C(0x7fff)

/* relaxed, all of these: one thread writes, and the next daemon reads when it is gone */
static uint64_t load(const _Atomic uint64_t *word) {
        return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint64_t *word, uint64_t value) {
        atomic_store_explicit(word, value, memory_order_relaxed);
        /* The compiler keeps the order. The next daemon sees all stores that were executed,
         * which are an unbroken beginning of those in program order. */
        atomic_signal_fence(memory_order_seq_cst);
        kill_point();
}

static uint64_t sum_of(uint64_t word) {
        return word % SUM_MODULUS + 1;
}

static uint64_t sum_at(uint64_t sequence, unsigned shift) {
        return sequence >> shift & UINT64_C(0xffff);
}

static uint64_t sequence_of(uint64_t count, uint64_t span, uint64_t before, uint64_t t1) {
        return sum_of(span) << SPAN_SHIFT | sum_of(before) << BEFORE_SHIFT |
               sum_of(t1) << END_SHIFT | (count & COUNT_MASK);
}

/* The odd sequence already has the new sums: as long as it is odd nobody needs them. */
void journal_grant(struct slot *slot, const struct rectangle *r) {
        store(&slot->sequence, sequence_of(load(&slot->sequence) | 1,
                                           span_pack(r->start, r->width), r->t1, r->t1));
        slot_store(slot, r, kill_point);
}

void journal_set_end(struct slot *slot, uint64_t t1) {
        uint64_t count = load(&slot->sequence), span = load(&slot->span);

        store(&slot->sequence, sequence_of(count, span, load(&slot->t1), t1));
        store(&slot->t1, t1);
        store(&slot->sequence, sequence_of(count, span, t1, t1));
}

/* The rectangle that was being replaced had run out, or the slot would not have been
 * rewritten. The one that was being written had not reached the client, whichever of its
 * fields are here already. So nobody holds either. The slot stays odd until it is empty, so
 * that dying here changes nothing. */
void journal_clear(struct slot *slot) {
        uint64_t count = load(&slot->sequence) & COUNT_MASK;

        store(&slot->span, 0);
        store(&slot->t0, 0);
        store(&slot->t1, 0);
        /* release: pairs with the acquire in slot_read() */
        atomic_store_explicit(&slot->sequence, (count | 1) + 1, memory_order_release);
        kill_point();
}

static bool sums_kept(uint64_t sequence) {
        return sequence >> END_SHIFT != 0;
}

static bool span_matches(uint64_t sequence, uint64_t span) {
        return sum_at(sequence, SPAN_SHIFT) == sum_of(span);
}

static bool end_matches(uint64_t sequence, uint64_t t1) {
        return sum_at(sequence, END_SHIFT) == sum_of(t1) ||
               sum_at(sequence, BEFORE_SHIFT) == sum_of(t1);
}

static bool span_inside(uint64_t span, uint64_t first, uint64_t end) {
        uint64_t start = span_start(span), width = span_width(span);

        return width > 0 && width <= SLOT_WIDTH_MAX && start >= first && start < end &&
               width <= end - start;
}

static bool span_known(uint64_t sequence, uint64_t span, const struct journal_bounds *bounds) {
        return sums_kept(sequence) ? span_matches(sequence, span) &&
                                             span_inside(span, bounds->start, bounds->last)
                                   : span_inside(span, bounds->start, bounds->end);
}

/*
 * An odd sequence says that the writer died. What it was replacing had run out, so it left a
 * t1 that is past; or all of the new grant, which then nobody has, and it is as if the writer
 * had come to its end. Anything else is a grant that a client has, whose sequence is damaged.
 */
static bool writer_died(uint64_t sequence, uint64_t t1, const struct journal_bounds *bounds) {
        return (sequence & 1) != 0 && t1 <= bounds->now;
}

bool journal_read(struct slot *slot, const struct journal_bounds *bounds,
                  struct journal_finding *ret) {
        /* acquire: pairs with the release in slot_store() */
        uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        uint64_t span = load(&slot->span), t0 = load(&slot->t0), t1 = load(&slot->t1);

        if (writer_died(sequence, t1, bounds)) {
                journal_clear(slot);
                return false;
        }
        if ((sequence & 1) != 0)
                store(&slot->sequence, sequence - 1);
        /* no flipped bit makes a grant look like this */
        if (span == 0 && t0 == 0 && t1 == 0)
                return false;
        *ret = (struct journal_finding){
                .rectangle = { .start = span_start(span), .width = span_width(span),
                               .t0 = t0, .t1 = t1 },
                .span_known = span_known(sequence, span, bounds),
                .end_known = t1 <= bounds->fence &&
                             (!sums_kept(sequence) || end_matches(sequence, t1)),
        };
        return true;
}

static struct rectangle of_span(uint64_t span) {
        return (struct rectangle){ .start = span_start(span), .width = span_width(span) };
}

size_t journal_spans(const struct slot *slot, const struct journal_bounds *bounds,
                     struct rectangle ret[JOURNAL_SPANS_MAX]) {
        uint64_t sequence = load(&slot->sequence), span = load(&slot->span);
        size_t n = 0;

        if (!sums_kept(sequence))
                return 0;
        /* bits with the same weight modulo 65535: at most four of the 64 */
        for (unsigned bit = 0; bit < 64 && n < JOURNAL_SPANS_MAX - 1; bit++) {
                uint64_t flipped = span ^ UINT64_C(1) << bit;

                if (span_matches(sequence, flipped) &&
                    span_inside(flipped, bounds->start, bounds->end))
                        ret[n++] = of_span(flipped);
        }
        /* or a bit of the sum was flipped */
        if (span_inside(span, bounds->start, bounds->end) &&
            __builtin_popcountll(sum_at(sequence, SPAN_SHIFT) ^ sum_of(span)) == 1)
                ret[n++] = of_span(span);
        return n;
}
