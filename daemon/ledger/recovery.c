/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/recovery.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/util/kill_point.h"

static int compare(const void *a, const void *b) {
        const struct recovery_record *x = a, *y = b;

        if (x->client != y->client)
                return x->client < y->client ? -1 : 1;
        return x->lane < y->lane ? -1 : x->lane > y->lane;
}

static uint64_t client_of(const struct ledger_segment *segment, uint32_t record) {
        /* relaxed: its writer is dead */
        return atomic_load_explicit(&segment->lanes[record].client, memory_order_relaxed);
}

int recovery_init(struct recovery *ret, const struct ledger_segment *segment) {
        struct recovery recovery = { .n = 0 };
        size_t n = 0;

        for (uint32_t i = 0; i < segment->capacity; i++)
                n += client_of(segment, i) != 0;
        recovery.records = calloc(n + 1, sizeof(recovery.records[0]));
        if (!recovery.records)
                return -ENOMEM;
        for (uint32_t i = 0; i < segment->capacity; i++)
                if (client_of(segment, i) != 0)
                        recovery.records[recovery.n++] =
                                (struct recovery_record){ .client = client_of(segment, i),
                                                          .lane = segment->lanes[i].lane,
                                                          .record = i };
        qsort(recovery.records, recovery.n, sizeof(recovery.records[0]), compare);
        *ret = recovery;
        return 0;
}

void recovery_fini(struct recovery *recovery) {
        free(recovery->records);
        *recovery = (struct recovery){ .n = 0 };
}

static size_t first_of(const struct recovery *recovery, uint64_t client) {
        size_t low = 0, high = recovery->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (recovery->records[middle].client < client)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

uint32_t recovery_lanes(const struct recovery *recovery, uint64_t client, size_t *ret_first) {
        size_t first = first_of(recovery, client), i = first;

        for (; i < recovery->n && recovery->records[i].client == client; i++)
                if (recovery->records[i].lane != i - first)
                        return 0;
        if (client == 0 || i == first)
                return 0;
        *ret_first = first;
        return (uint32_t)(i - first);
}

static bool same_grant(const struct slot *slot, const struct rectangle *r) {
        /* relaxed: only this thread writes it */
        return atomic_load_explicit(&slot->span, memory_order_relaxed) ==
                       span_pack(r->start, r->width) &&
               atomic_load_explicit(&slot->t0, memory_order_relaxed) == r->t0;
}

/*
 * The dead daemon wrote the journal's slot J completely, then the client's slot C. So it
 * depends on where it was killed:
 *
 *   in J of a grant     J was odd, and journal_clear() has cleared it. C is
 *                       untouched, and has run out, or J would not have been rewritten
 *                       (rule 2).
 *   between J and C     J is live, C is even, and what C held has run out. The grant is
 *                       written to C now; J counted as taken all the time.
 *   in C                J is live, C is odd. The same stores are made again: they store
 *                       the values that the dead writer would have stored, in the same
 *                       order, so a reader sees just one slow writer. (Emptying C first
 *                       would break slot_span_at(): a t0 of 0 beside the new span.)
 *   in an extension     J and C are one grant, and J's t1 is later: C's t1 follows.
 *
 * A J that has run out is not copied: it may be of an earlier client of the record, and C
 * may never have held it. (A live J is of this client: a record rests until all of its
 * rectangles have run out.) Then C must have run out as well. If C is odd it stays odd
 * until the next grant, and readers skip it.
 */
int recovery_repair_slot(const struct slot *journal, struct slot *client, uint64_t now_tick) {
        /* relaxed: only this thread writes it */
        uint64_t t1 = atomic_load_explicit(&client->t1, memory_order_relaxed);
        bool odd = (atomic_load_explicit(&client->sequence, memory_order_relaxed) & 1) != 0;
        struct rectangle r;

        if (!slot_read(journal, &r) || r.width == 0 || r.t1 <= now_tick)
                return t1 <= now_tick ? 0 : -EBADMSG;
        if (odd) {
                if (t1 > r.t0 && t1 != r.t1)
                        return -EBADMSG;
                slot_store(client, &r, kill_point);
                return 0;
        }
        if (same_grant(client, &r)) {
                if (slot_extend(client, r.t1) < 0)
                        return -EBADMSG;
                kill_point();
                return 0;
        }
        return slot_grant(client, &r, kill_point) < 0 ? -EBADMSG : 0;
}
