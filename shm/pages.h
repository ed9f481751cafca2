/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The two pages of a client. The daemon writes the grants page and the client reads
 * it. The client writes the cursors page; the daemon reads that with pread() and
 * trusts nothing in it. Both are memfds, prefaulted, sealed against resizing, and
 * belong to one client for its lifetime.
 *
 * The clock's words, the slots and the cursors lie at different offsets of their
 * pages on purpose: the CPU mistakes a load at the offset of a just-written cursor in
 * another page for a load of the cursor (measured: 2.0 instead of 1.4 times a bare
 * fetch-add).
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/cursor.h"
#include "shm/metrics.h"
#include "shm/slot.h"

#define GRANTS_MAGIC "sfshmgrt"
#define PAGES_VERSION 1u
#define LANES_MAX 64u
#define WORKER_COUNTERS_MAX 1024u

/* The role of each slot. Readers take the widest valid slot and ignore the roles. */
#define SLOT_STANDING_A 0u
#define SLOT_STANDING_B 1u
#define SLOT_ELASTIC_A 2u
#define SLOT_ELASTIC_B 3u

struct grants_page {
        char magic[8];
        uint32_t version;
        uint32_t size;       /* of this page, in bytes */
        uint64_t client;     /* the daemon's number for this client; never reused */
        uint64_t base_tick;  /* of the cursors: the tick before the page was made */
        uint32_t lanes;      /* a power of two, <= LANES_MAX */
        uint32_t worker_first; /* the worker that worker_ids[0] of the cursors page counts */
        uint32_t worker_counters;
        uint32_t cursors_size; /* of the cursors page, in bytes */
        _Atomic uint32_t changed; /* futex: grows with each grant and state of the clock */
        _Atomic uint32_t widest;  /* most positions that a lane of this client can get */
        uint32_t generation; /* clock_segment.generation of the daemon that made this page */
        uint8_t reserved[512 - 60];
        /* 512 */
        struct slot slots[][SLOTS_PER_LANE]; /* [lane]: two cache lines */
};
_Static_assert(sizeof(struct grants_page) == 512, "grants: header");
_Static_assert(offsetof(struct grants_page, version) == 8, "grants: version");
_Static_assert(offsetof(struct grants_page, size) == 12, "grants: size");
_Static_assert(offsetof(struct grants_page, client) == 16, "grants: client");
_Static_assert(offsetof(struct grants_page, base_tick) == 24, "grants: base_tick");
_Static_assert(offsetof(struct grants_page, lanes) == 32, "grants: lanes");
_Static_assert(offsetof(struct grants_page, worker_first) == 36, "grants: worker_first");
_Static_assert(offsetof(struct grants_page, worker_counters) == 40, "grants: worker_counters");
_Static_assert(offsetof(struct grants_page, cursors_size) == 44, "grants: cursors_size");
_Static_assert(offsetof(struct grants_page, changed) == 48, "grants: changed");
_Static_assert(offsetof(struct grants_page, widest) == 52, "grants: widest");
_Static_assert(offsetof(struct grants_page, generation) == 56, "grants: generation");
_Static_assert(offsetof(struct grants_page, slots) == 512, "grants: slots");

/* A lane's words. The hot path touches only the first cache line. */
struct lane_words {
        _Atomic uint64_t cursor;
        uint8_t reserved0[56];
        /* Counters, updated off the hot path. `ids` plus the used part of the cursor's
         * unfinished tick is what the lane has allocated: the call that advances
         * the cursor adds what the finished tick used, minus the offset at which the
         * new tick begins. */
        _Atomic uint64_t ids;
        _Atomic uint64_t overflows;        /* calls that found their tick full */
        _Atomic uint64_t overflow_wait_ns; /* the total time they waited */
        uint8_t reserved1[40];
};
_Static_assert(sizeof(struct lane_words) == 128, "lane: size");
_Static_assert(offsetof(struct lane_words, cursor) == 0, "lane: cursor");
_Static_assert(offsetof(struct lane_words, ids) == 64, "lane: ids");
_Static_assert(offsetof(struct lane_words, overflows) == 72, "lane: overflows");
_Static_assert(offsetof(struct lane_words, overflow_wait_ns) == 80, "lane: overflow_wait_ns");

/* What a call waited for. */
enum wait_reason {
        WAIT_OVERFLOW, /* its lane's tick was used up */
        WAIT_GRANT,    /* its lane had no valid reservation */
        WAIT_ATTACH,   /* the daemon was away */
        WAIT_CLOCK,    /* the daemon's clock held IDs back */
        WAIT_REASONS,
};

/* How a call ended that found its lane's tick used up. */
enum overflow_outcome { OVERFLOW_WAITED, OVERFLOW_AGAIN, OVERFLOW_TIMEOUT, OVERFLOW_OUTCOMES };

/* Libraries before waits were counted by reason count here: calls that found their tick full,
 * by how long they waited for the next one, up to these bounds and above; -EAGAIN as no wait. */
#define OVERFLOW_BUCKETS 12u
static const uint64_t overflow_bucket_ns[OVERFLOW_BUCKETS - 1] = {
        50000, 100000, 200000, 500000, 1000000, 2000000,
        5000000, 10000000, 100000000, 1000000000, 10000000000,
};

struct cursors_page {
        _Atomic uint64_t overflow_wait[OVERFLOW_BUCKETS];
        uint8_t reserved0[8];
        _Atomic uint64_t overflows[OVERFLOW_OUTCOMES]; /* by outcome */
        struct histogram waits[WAIT_REASONS]; /* a call counts once for each reason it had */
        uint8_t reserved[2048 - 128 - WAIT_REASONS * sizeof(struct histogram)];
        /* 2048 */
        struct lane_words lanes[]; /* grants_page.lanes of them, then: */
        /* _Atomic uint64_t worker_ids[grants_page.worker_counters]: IDs by worker,
         * counted like lane_words.ids */
};
_Static_assert(sizeof(struct cursors_page) == 2048, "cursors: header");
_Static_assert(offsetof(struct cursors_page, overflow_wait) == 0, "cursors: overflow_wait");
_Static_assert(offsetof(struct cursors_page, overflows) == 104, "cursors: overflows");
_Static_assert(offsetof(struct cursors_page, waits) == 128, "cursors: waits");
_Static_assert(offsetof(struct cursors_page, lanes) == 2048, "cursors: lanes");

static inline uint32_t grants_page_size(uint32_t lanes) {
        return (uint32_t)sizeof(struct grants_page) +
               lanes * (uint32_t)(SLOTS_PER_LANE * sizeof(struct slot));
}
/*
 * Behind that: what the daemon's statistics have counted of this client, so that the next
 * daemon goes on from there. No library reads it. Pages of daemons before have no such part.
 */
#define GRANTS_COUNTED (6u + WAIT_REASONS * (METRICS_BUCKETS + 1)) /* and one for each worker */
static inline uint32_t grants_page_size_counted(uint32_t lanes, uint32_t worker_counters) {
        return grants_page_size(lanes) +
               (GRANTS_COUNTED + worker_counters) * (uint32_t)sizeof(uint64_t);
}
static inline uint32_t cursors_worker_ids_offset(uint32_t lanes) {
        return (uint32_t)sizeof(struct cursors_page) + lanes * (uint32_t)sizeof(struct lane_words);
}
static inline uint32_t cursors_page_size(uint32_t lanes, uint32_t worker_counters) {
        return cursors_worker_ids_offset(lanes) + worker_counters * (uint32_t)sizeof(uint64_t);
}

/* How many of the positions [first, last) belong to `worker`. Library and daemon count used
 * positions by worker with this function. */
static inline uint64_t usage_of_worker(uint64_t first, uint64_t last, uint64_t worker,
                                       unsigned sequence_bits) {
        uint64_t from = worker << sequence_bits, to = (worker + 1) << sequence_bits;

        if (from < first)
                from = first;
        if (to > last)
                to = last;
        return from < to ? to - from : 0;
}
