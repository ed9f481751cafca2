/* SPDX-License-Identifier: MIT */
#include "daemon/statistics/client_counters.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util/time.h"
#include "shm/clock.h"

#define LANES_OFFSET ((off_t)sizeof(struct cursors_page))
#define READ_ATTEMPTS 8
/* What a slewed clock, and a batch that reaches back, may add to the age. */
#define AGE_SLACK_NS (2 * NS_PER_S)
/* At most so many callers wait at the same time. */
#define WAITERS_MAX 4096u

/* A copy of a cursors page. */
union page_copy {
        struct cursors_page page;
        uint8_t bytes[sizeof(struct cursors_page) + LANES_MAX * sizeof(struct lane_words) +
                      WORKER_COUNTERS_MAX * sizeof(uint64_t)];
};

static uint64_t load(const _Atomic uint64_t *word) {
        return atomic_load_explicit(word, memory_order_relaxed); /* relaxed: a private copy */
}

static bool same_ticks(const struct lane_words *a, const struct lane_words *b, uint32_t lanes) {
        for (uint32_t lane = 0; lane < lanes; lane++)
                if (cursor_key(load(&a[lane].cursor)) != cursor_key(load(&b[lane].cursor)))
                        return false;
        return true;
}

/*
 * Reads the cursors before and after the counters: if no lane has moved to another tick
 * in between, counters and cursors belong together. After READ_ATTEMPTS without that
 * (the client lies, or this thread gets no processor time) they are used as they are.
 */
static int copy_page(const struct client *client, size_t size, union page_copy *copy) {
        struct lane_words after[LANES_MAX];
        size_t after_size = client->n_lanes * sizeof(after[0]);
        int attempt = 0;

        do {
                if (pread(client->cursors.fd, copy->bytes, size, 0) != (ssize_t)size ||
                    pread(client->cursors.fd, after, after_size, LANES_OFFSET) !=
                            (ssize_t)after_size)
                        return -EIO;
        } while (!same_ticks(copy->page.lanes, after, client->n_lanes) &&
                 ++attempt < READ_ATTEMPTS);
        return 0;
}

/* What a lane has used of its cursor's tick: `width` positions from `start`; none if
 * that cannot be known. */
static struct rectangle unfinished(const struct client *client, uint32_t lane, uint64_t cursor) {
        const struct grants_page *grants = client->grants.map;
        struct rectangle r;

        /* A slot that was granted anew no longer shows where that tick's positions were; the
         * library counts them with its next call. */
        if (!slot_read(&grants->slots[lane][cursor_slot(cursor)], &r) ||
            !rectangle_at(&r, grants->base_tick + cursor_tick(cursor)))
                return (struct rectangle){ .width = 0 };
        r.width = (uint32_t)cursor_used(cursor, r.width);
        return r;
}

static void add_to_workers(const struct statistics_run *run, const struct rectangle *used,
                           uint64_t *values) {
        uint64_t first = used->start, last = first + used->width;

        for (uint64_t worker = first >> run->sequence_bits; worker << run->sequence_bits < last;
             worker++)
                if (worker >= run->worker_first && worker - run->worker_first < run->worker_count)
                        values[STATISTICS_WORKERS + worker - run->worker_first] +=
                                usage_of_worker(first, last, worker, run->sequence_bits);
}

/* Sums wrap on purpose: a counter is below zero while a tick that started at an offset
 * is unfinished. False values that wrap are caught by the limit. */
static void add_lane(const struct client *client, const struct statistics_run *run, uint32_t lane,
                     const struct lane_words *words, uint64_t *values) {
        struct rectangle used = unfinished(client, lane, load(&words->cursor));

        values[STATISTICS_IDS] += load(&words->ids) + used.width;
        values[STATISTICS_OVERFLOWS] += load(&words->overflows);
        values[STATISTICS_OVERFLOW_WAIT_NS] += load(&words->overflow_wait_ns);
        add_to_workers(run, &used, values);
}

/* An older library counted its waits for the next tick only, -EAGAIN among them, and in another
 * place: a newer one leaves that alone. */
static void add_older(const struct cursors_page *page, uint64_t *values) {
        uint64_t *overflow = values + STATISTICS_WAITS + WAIT_OVERFLOW * (METRICS_BUCKETS + 1);
        uint64_t calls = 0;

        for (uint32_t i = 0; i < OVERFLOW_BUCKETS; i++) {
                overflow[i < OVERFLOW_BUCKETS - 1 ? metrics_bucket(overflow_bucket_ns[i])
                                                  : METRICS_BUCKETS - 1] +=
                        load(&page->overflow_wait[i]);
                calls += load(&page->overflow_wait[i]);
        }
        if (calls == 0)
                return;
        values[STATISTICS_OUTCOMES + OVERFLOW_WAITED] += calls;
        overflow[METRICS_BUCKETS] += values[STATISTICS_OVERFLOW_WAIT_NS];
}

static void read_header(const struct cursors_page *page, uint64_t *values) {
        for (uint32_t i = 0; i < OVERFLOW_OUTCOMES; i++)
                values[STATISTICS_OUTCOMES + i] = load(&page->overflows[i]);
        for (uint32_t i = 0; i < WAIT_REASONS; i++) {
                uint64_t *to = values + STATISTICS_WAITS + i * (METRICS_BUCKETS + 1);

                for (uint32_t k = 0; k < METRICS_BUCKETS; k++)
                        to[k] = load(&page->waits[i].buckets[k]);
                to[METRICS_BUCKETS] = load(&page->waits[i].sum_ns);
        }
}

int statistics_page_read(const struct client *client, const struct statistics_run *run,
                         uint64_t *values) {
        const struct grants_page *grants = client->grants.map;
        uint32_t counters = grants->worker_counters < run->worker_count ? grants->worker_counters
                                                                        : run->worker_count;
        uint32_t lanes = client->n_lanes;
        union page_copy copy;
        int r = copy_page(client, cursors_page_size(lanes, counters), &copy);

        if (r < 0)
                return r;
        read_header(&copy.page, values);
        memset(values + STATISTICS_WORKERS, 0, run->worker_count * sizeof(values[0]));
        memcpy(values + STATISTICS_WORKERS, copy.bytes + cursors_worker_ids_offset(lanes),
               counters * sizeof(values[0]));
        values[STATISTICS_IDS] = values[STATISTICS_OVERFLOWS] = 0;
        values[STATISTICS_OVERFLOW_WAIT_NS] = 0;
        for (uint32_t lane = 0; lane < lanes; lane++)
                add_lane(client, run, lane, &copy.page.lanes[lane], values);
        add_older(&copy.page, values);
        return 0;
}

static uint64_t times(uint64_t a, uint64_t b) {
        uint64_t product;

        return __builtin_mul_overflow(a, b, &product) || product > INT64_MAX ? INT64_MAX : product;
}

/* A sum of times that calls waited. */
static bool is_time(uint32_t value) {
        return value == STATISTICS_OVERFLOW_WAIT_NS ||
               (value >= STATISTICS_WAITS && value < STATISTICS_WORKERS &&
                (value - STATISTICS_WAITS) % (METRICS_BUCKETS + 1) == METRICS_BUCKETS);
}

uint64_t statistics_page_limit(const struct statistics_run *run, int64_t age_ns, uint32_t value) {
        uint64_t ns = age_ns < 0 ? AGE_SLACK_NS : (uint64_t)age_ns + AGE_SLACK_NS;
        uint64_t ticks = ns / NS_PER_TICK + 1;

        if (value == STATISTICS_IDS)
                return times(ticks, run->width);
        if (value >= STATISTICS_WORKERS)
                return times(ticks, UINT64_C(1) << run->sequence_bits);
        /* a call takes longer than 1 ns; at most WAITERS_MAX callers wait at the same time */
        return is_time(value) ? times(ns, WAITERS_MAX) : times(ns, 1);
}
