/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/adoption.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/ledger/hold.h"
#include "daemon/ledger/journal.h"
#include "daemon/util/log.h"

#define LINES_MAX 8u /* in the log: one for each damaged slot */
/* So many damaged slots are looked into; of more of them nothing is known. */
#define LOOKED_INTO_MAX 16u
/* Counting up from 1 comes nowhere near it. */
#define CLIENT_MAX (UINT64_MAX / 4)

struct adoption {
        struct ledger *ledger;
        struct journal_bounds bounds;
        uint32_t n_damaged;
        /* of slots whose positions cannot be known: the one that ends last */
        uint64_t unknown_until;
        uint32_t unknown_record, unknown_slot;
};

/* Each slot once, the guesses of those that are looked into, and the gaps between all. */
size_t adoption_rectangles(const struct ledger_segment *segment) {
        size_t slots = (size_t)segment->capacity * SLOTS_PER_LANE;

        return 2 * (slots + LOOKED_INTO_MAX * JOURNAL_SPANS_MAX) + 1;
}

static uint64_t client_of(const struct ledger_segment *segment, uint32_t record) {
        /* relaxed: its writer is dead */
        return atomic_load_explicit(&segment->lanes[record].client, memory_order_relaxed);
}

/* From now on, not from t0: the positions of a grant that begins later go to nobody before
 * it, so that a damaged t0 frees nothing. */
static void hold_from_now(struct ledger *ledger, struct rectangle r, uint64_t until,
                          uint32_t record, uint32_t slot) {
        r.t0 = ledger->now;
        r.t1 = until;
        ledger_hold(ledger, &r, record, slot);
}

/* It has a rectangle without positions, so that the record rests as long. */
static void hold_unknown(struct adoption *adoption, uint64_t until, uint32_t record,
                         uint32_t slot) {
        const struct rectangle nothing = { .start = (uint32_t)adoption->bounds.start };

        hold_from_now(adoption->ledger, nothing, until, record, slot);
        if (until <= adoption->unknown_until)
                return;
        adoption->unknown_until = until;
        adoption->unknown_record = record;
        adoption->unknown_slot = slot;
}

static void tell_damage(struct adoption *adoption, const struct journal_finding *found,
                        uint64_t until, uint32_t record, uint32_t slot) {
        const struct ledger_lane *lane = &adoption->ledger->segment->lanes[record];
        const struct rectangle *r = &found->rectangle;

        if (adoption->n_damaged++ >= LINES_MAX)
                return;
        log_event(WITH(EVENT_LEDGER_DAMAGED, FIELD(UID, lane->uid)),
                  "record %" PRIu32 ", slot %" PRIu32 " of the ledger (uid %" PRIu32 ") is damaged: "
                  "%" PRIu32 " positions from %" PRIu32 " up to tick %" PRIu64 " were never granted "
                  "(the fence is tick %" PRIu64 "). What it can have been rests until tick %" PRIu64
                  ", and its client attaches anew; everything else is adopted. Test this host's "
                  "memory", record, slot, lane->uid, r->width, r->start, r->t1,
                  adoption->bounds.fence, until);
}

/* An end that cannot be true is replaced by the latest that can, so that the next daemon
 * does not take it for one up to its own, higher fence. */
static void adopt_damaged(struct adoption *adoption, const struct journal_finding *found,
                          uint32_t record, uint32_t index) {
        struct ledger *ledger = adoption->ledger;
        struct slot *slot = &ledger->segment->lanes[record].slots[index];
        uint64_t until = found->end_known ? found->rectangle.t1 : adoption->bounds.fence;
        struct rectangle spans[JOURNAL_SPANS_MAX];
        size_t n = 0;

        if (!found->end_known)
                journal_set_end(slot, until);
        if (until <= ledger->now)
                return;
        tell_damage(adoption, found, until, record, index);
        ledger->places[record].damaged = true;
        if (found->span_known)
                hold_from_now(ledger, found->rectangle, until, record, index);
        else if (adoption->n_damaged <= LOOKED_INTO_MAX)
                n = journal_spans(slot, &adoption->bounds, spans);
        for (size_t i = 0; i < n; i++)
                hold_from_now(ledger, spans[i], until, record, index);
        if (!found->span_known && n == 0)
                hold_unknown(adoption, until, record, index);
}

static void adopt_slot(struct adoption *adoption, uint32_t record, uint32_t index) {
        struct ledger *ledger = adoption->ledger;
        struct journal_finding found;

        if (!journal_read(&ledger->segment->lanes[record].slots[index], &adoption->bounds, &found))
                return;
        if (!found.span_known || !found.end_known)
                adopt_damaged(adoption, &found, record, index);
        else if (found.rectangle.t1 > ledger->now)
                hold_from_now(ledger, found.rectangle, found.rectangle.t1, record, index);
        else if (found.rectangle.t1 > ledger->last_promise)
                ledger->last_promise = found.rectangle.t1;
}

/*
 * A grant whose positions are not known was made beside all others: it has none of theirs,
 * but may have any that nobody else holds. Others continue and are extended. (It began
 * before the earlier daemon died, or is elastic and ends in a moment. So who holds positions
 * now holds none of it.)
 */
static void hold_gaps(struct adoption *adoption) {
        struct ledger *ledger = adoption->ledger;
        uint64_t until = adoption->unknown_until;
        size_t n = 0, room = ledger->live.n + 1;
        struct rectangle *found = calloc(room, sizeof(*found));
        struct rectangle_gaps gaps =
                rectangle_gaps_begin(&ledger->live, adoption->bounds.start, adoption->bounds.end,
                                     ledger->now, until);

        /* without memory all of it is one gap: nothing is extended either */
        if (found == NULL) {
                hold_from_now(ledger,
                              (struct rectangle){
                                      .start = (uint32_t)adoption->bounds.start,
                                      .width = (uint32_t)(adoption->bounds.end -
                                                          adoption->bounds.start) },
                              until, adoption->unknown_record, adoption->unknown_slot);
                return;
        }
        while (n < room && rectangle_gaps_next(&gaps, &found[n].start, &found[n].width))
                n++;
        for (size_t i = 0; i < n; i++)
                hold_from_now(ledger, found[i], until, adoption->unknown_record,
                              adoption->unknown_slot);
        free(found);
}

/* Numbers are never given twice, and 0 is nobody's. */
static void adopt_numbers(struct ledger *ledger) {
        struct ledger_segment *segment = ledger->segment;
        /* relaxed, both: only this thread counts */
        uint64_t next = atomic_load_explicit(&segment->next_client, memory_order_relaxed), last = 0;

        for (uint32_t i = 0; i < segment->capacity; i++)
                if (client_of(segment, i) > last && client_of(segment, i) < CLIENT_MAX)
                        last = client_of(segment, i);
        if (next > last && next < CLIENT_MAX)
                return;
        atomic_store_explicit(&segment->next_client, last + 1, memory_order_relaxed);
        if (next > 0)
                log_event(EVENT_LEDGER_DAMAGED, "the ledger says that the next client "
                          "is number %" PRIu64 ", which cannot be: it is number %" PRIu64 ". Test "
                          "this host's memory", next, last + 1);
}

static uint64_t lesser(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

/* The run of this daemon may be shorter than that of the earlier one, if the lease has lost
 * worker IDs. */
static struct journal_bounds bounds_of(const struct ledger *ledger) {
        const struct ledger_segment *segment = ledger->segment;
        uint64_t last = lesser(UINT64_C(1) << id_position_bits(&segment->layout),
                               (uint64_t)ledger->run.start + RUN_WIDTH_MAX);
        /* relaxed: its writer is dead */
        uint64_t used = (uint64_t)atomic_load_explicit(&segment->worker_count, memory_order_relaxed)
                        << segment->layout.sequence_bits;

        if (used < ledger->run.width)
                used = ledger->run.width;
        return (struct journal_bounds){
                .now = ledger->now,
                /* relaxed: its writer is dead */
                .fence = atomic_load_explicit(&segment->fence, memory_order_relaxed),
                .start = ledger->run.start,
                .end = lesser(ledger->run.start + used, last),
                .last = last,
        };
}

int adoption_begin(struct ledger *ledger) {
        struct ledger_segment *segment = ledger->segment;
        struct adoption adoption = { .ledger = ledger, .bounds = bounds_of(ledger) };

        for (uint32_t record = segment->capacity; record-- > 0;) {
                ledger->places[record].awaits = client_of(segment, record) != 0;
                for (uint32_t slot = 0; slot < SLOTS_PER_LANE; slot++)
                        adopt_slot(&adoption, record, slot);
                ledger_rest(ledger, record);
        }
        if (adoption.unknown_until > ledger->now)
                hold_gaps(&adoption);
        if (adoption.n_damaged > LINES_MAX)
                log_event(EVENT_LEDGER_DAMAGED, "%" PRIu32 " slots of the ledger are "
                          "damaged; the first %u are named above", adoption.n_damaged, LINES_MAX);
        adopt_numbers(ledger);
        /* relaxed: for the next daemon; nothing is promised of the run yet */
        atomic_store_explicit(&segment->worker_count,
                              ledger->run.width >> segment->layout.sequence_bits,
                              memory_order_relaxed);
        return recovery_init(&ledger->recovery, segment);
}
