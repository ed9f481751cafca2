/* SPDX-License-Identifier: MIT */
#include "libclient/count.h"

#include <errno.h>
#include <string.h>

#include "libclient/handle.h"
#include "shm/probe.h"

#define COUNT_ATTEMPTS 1000

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

void count_overflow(const struct attachment *a, uint32_t lane, enum overflow_outcome outcome,
                    int64_t waited_ns) {
        struct cursors_page *page = attachment_cursors(a);

        PROBE3(overflow, lane, outcome, waited_ns);
        atomic_fetch_add_explicit(&page->overflows[outcome], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&page->lanes[lane].overflows, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&page->lanes[lane].overflow_wait_ns,
                                  waited_ns > 0 ? (uint64_t)waited_ns : 0, memory_order_relaxed);
}

void count_wait(const struct attachment *a, enum wait_reason reason, int64_t waited_ns) {
        PROBE2(wait, reason, waited_ns);
        histogram_add(&attachment_cursors(a)->waits[reason], waited_ns);
}

/* ---- sfshm_get_counters() */

_Static_assert(SFSHM_WAIT_BUCKETS == METRICS_BUCKETS, "counters: buckets");
_Static_assert(sizeof(struct sfshm_counters) == COUNT_WORDS * sizeof(uint64_t), "counters: words");

static void read_waits(const struct histogram *from, struct sfshm_waits *to) {
        struct histogram_values values = { .sum_ns = 0 };

        histogram_read(from, &values);
        to->count = 0;
        to->total_ns = values.sum_ns;
        for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
                to->buckets[i] = values.buckets[i];
                to->count += values.buckets[i];
        }
}

/* What the lane has allocated in all. A cursor whose slot has a new grant is counted by the
 * span that this process last used, as in count_finished(). */
static uint64_t read_ids(const struct attachment *a, uint32_t lane) {
        struct lane_words *words = &attachment_cursors(a)->lanes[lane];
        uint64_t ids, cursor, again = atomic_load_explicit(&words->cursor, memory_order_relaxed);
        struct rectangle r;
        int attempts = 0;

        do {
                cursor = again;
                ids = atomic_load_explicit(&words->ids, memory_order_relaxed);
                again = atomic_load_explicit(&words->cursor, memory_order_relaxed);
        } while (cursor_key(cursor) != cursor_key(again) && ++attempts < COUNT_ATTEMPTS);
        if (!slot_read(&attachment_grants(a)->slots[lane][cursor_slot(cursor)], &r) ||
            !rectangle_at(&r, a->base_tick + cursor_tick(cursor)))
                r.width = span_width(atomic_load_explicit(&a->hints[lane].span,
                                                          memory_order_relaxed));
        ids += cursor_used(cursor, r.width);
        return ids <= INT64_MAX ? ids : 0; /* a call is between its two steps */
}

static void read_page(const struct attachment *a, struct sfshm_counters *ret) {
        const struct cursors_page *page = attachment_cursors(a);
        struct sfshm_waits *waits[] = { [WAIT_OVERFLOW] = &ret->overflow, [WAIT_GRANT] = &ret->grant,
                                        [WAIT_ATTACH] = &ret->attach, [WAIT_CLOCK] = &ret->clock };

        for (uint32_t lane = 0; lane < a->lanes; lane++)
                ret->ids += read_ids(a, lane);
        ret->overflows_waited = atomic_load_explicit(&page->overflows[OVERFLOW_WAITED],
                                                     memory_order_relaxed);
        ret->overflows_again = atomic_load_explicit(&page->overflows[OVERFLOW_AGAIN],
                                                    memory_order_relaxed);
        ret->overflows_timeout = atomic_load_explicit(&page->overflows[OVERFLOW_TIMEOUT],
                                                      memory_order_relaxed);
        for (unsigned i = 0; i < WAIT_REASONS; i++)
                read_waits(&page->waits[i], waits[i]);
}

void count_carry_begin(struct sfshm *s) {
        uint32_t odd = atomic_load_explicit(&s->carrying, memory_order_relaxed) | 1;

        atomic_store_explicit(&s->carrying, odd, memory_order_relaxed);
        /* pairs with the acquire barrier of sfshm_get_counters(): who sees what follows sees
         * that a switch is under way */
        atomic_thread_fence(memory_order_release);
}

void count_carry_end(struct sfshm *s, const struct attachment *a) {
        union count_words page = { .counters = { .ids = 0 } };

        read_page(a, &page.counters);
        for (unsigned i = 0; i < COUNT_WORDS; i++)
                atomic_fetch_add_explicit(&s->carried[i], page.words[i], memory_order_relaxed);
        atomic_fetch_add_explicit(&s->carrying, 1, memory_order_release);
}

static void read_once(const struct sfshm *s, union count_words *ret) {
        /* acquire: as in each call */
        const struct attachment *a = atomic_load_explicit(&s->attachment, memory_order_acquire);

        *ret = (union count_words){ .counters = { .ids = 0 } };
        read_page(a, &ret->counters);
        ret->counters.reattaches = a->number;
        for (unsigned i = 0; i < COUNT_WORDS; i++)
                ret->words[i] += atomic_load_explicit(&s->carried[i], memory_order_relaxed);
        for (unsigned i = 0; i < METRICS_BUCKETS - 1; i++)
                ret->counters.bounds_ns[i] = metrics_bound_ns[i];
        ret->counters.bounds_ns[METRICS_BUCKETS - 1] = UINT64_MAX;
}

int sfshm_get_counters(const sfshm *s, struct sfshm_counters *ret, size_t size) {
        union count_words words;
        uint32_t seen;
        int attempts = 0;

        if (size == 0)
                return -EINVAL;
        do {
                /* acquire: what a switch before has carried is seen */
                seen = atomic_load_explicit(&s->carrying, memory_order_acquire);
                read_once(s, &words);
                /* pairs with the release barrier after `carrying` became odd */
                atomic_thread_fence(memory_order_acquire);
        } while ((seen % 2 != 0 ||
                  atomic_load_explicit(&s->carrying, memory_order_relaxed) != seen) &&
                 ++attempts < COUNT_ATTEMPTS);
        memset(ret, 0, size);
        memcpy(ret, &words.counters, size < sizeof(words) ? size : sizeof(words));
        return 0;
}
