/* SPDX-License-Identifier: MIT */
#include "libclient/count.h"

/* All counters are relaxed: they order nothing, and their reader allows for calls in
 * between. Subtraction relies on unsigned arithmetic. */

static void add_to_workers(const struct attachment *a, uint32_t start, uint64_t used,
                           uint64_t factor) {
        _Atomic uint64_t *counters = attachment_worker_ids(a);
        uint64_t last = (uint64_t)start + used;

        for (uint64_t worker = start >> a->sequence_bits; worker << a->sequence_bits < last;
             worker++) {
                uint64_t n = usage_of_worker(start, last, worker, a->sequence_bits);

                if (worker >= a->worker_first && worker - a->worker_first < a->worker_counters)
                        atomic_fetch_add_explicit(&counters[worker - a->worker_first], n * factor,
                                                  memory_order_relaxed);
        }
}

static void add(const struct attachment *a, uint32_t lane, uint32_t start, uint64_t used,
                uint64_t factor) {
        if (used == 0 || factor == 0)
                return;
        atomic_fetch_add_explicit(&attachment_cursors(a)->lanes[lane].ids, used * factor,
                                  memory_order_relaxed);
        add_to_workers(a, start, used, factor);
}

void count_finished(const struct attachment *a, uint32_t lane, uint64_t cursor) {
        const struct slot *slot = &attachment_grants(a)->slots[lane][cursor_slot(cursor)];
        uint64_t tick = a->base_tick + cursor_tick(cursor);
        struct rectangle r;

        if (!slot_read(slot, &r) || !rectangle_at(&r, tick)) {
                /* the slot has a new grant: take what this process last used of the lane */
                uint64_t span = atomic_load_explicit(&a->hints[lane].span, memory_order_relaxed);

                r.start = span_start(span);
                r.width = span_width(span);
        }
        add(a, lane, r.start, cursor_used(cursor, r.width), 1);
}

void count_begun(const struct attachment *a, uint32_t lane, const struct rectangle *r,
                 uint32_t offset, uint64_t full_ticks) {
        add(a, lane, r->start, r->width, full_ticks);
        add(a, lane, r->start, offset, UINT64_MAX); /* times -1 */
}

void count_overflow(const struct attachment *a, uint32_t lane, int64_t waited_ns) {
        struct cursors_page *page = attachment_cursors(a);
        uint64_t waited = waited_ns > 0 ? (uint64_t)waited_ns : 0;
        unsigned bucket = 0;

        while (bucket < OVERFLOW_BUCKETS - 1 && waited > overflow_bucket_ns[bucket])
                bucket++;
        atomic_fetch_add_explicit(&page->overflow_wait[bucket], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&page->lanes[lane].overflows, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&page->lanes[lane].overflow_wait_ns, waited,
                                  memory_order_relaxed);
}
