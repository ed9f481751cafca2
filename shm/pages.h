/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The two pages of a client: grants (the daemon writes, the client reads) and
 * cursors (the client writes, the daemon reads with pread and trusts nothing).
 * Both are memfds, sealed against resizing, prefaulted, and the client's own
 * for life. Offsets within a page differ between the clock's words, the slots
 * and the cursors on purpose: loads at the same offset of different pages as
 * a just-written cursor are mistaken by the CPU for loads of it (measured:
 * 2.0 x instead of 1.4 x a bare fetch-add).
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/cursor.h"
#include "shm/slot.h"

#define GRANTS_MAGIC "sfshmgrt"
#define PAGES_VERSION 1u
#define LANES_MAX 64u
#define WORKER_COUNTERS_MAX 1024u

/* Which slot is what. Readers take the widest valid one and need not know. */
#define SLOT_STANDING_A 0u
#define SLOT_STANDING_B 1u
#define SLOT_ELASTIC_A 2u
#define SLOT_ELASTIC_B 3u

struct grants_page {
        char magic[8];
        uint32_t version;
        uint32_t size;       /* of this page, in bytes */
        uint64_t client;     /* the daemon's number for this client, never reused */
        uint64_t base_tick;  /* of the cursors: the tick before the page's birth */
        uint32_t lanes;      /* a power of two, <= LANES_MAX */
        uint32_t worker_first; /* the worker which worker_ids[0] of the cursors page counts */
        uint32_t worker_counters;
        uint32_t cursors_size; /* of the cursors page, in bytes */
        _Atomic uint32_t changed; /* futex: grows with every grant and news of the clock */
        _Atomic uint32_t widest;  /* positions a lane of this client can get at most */
        uint32_t generation; /* the clock's (shm/clock.h), of the daemon that made this page */
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

/* A lane's words. The first line is the hot one. */
struct lane_words {
        _Atomic uint64_t cursor;
        uint8_t reserved0[56];
        /* Counters, added to off the hot path. `ids` plus the used part of the
         * cursor's unfinished tick is what the lane has handed out: whoever
         * advances the cursor adds what the finished tick used, less the offset
         * at which the new one begins. */
        _Atomic uint64_t ids;
        _Atomic uint64_t overflows;        /* calls that found their tick full */
        _Atomic uint64_t overflow_wait_ns; /* how long they waited, together */
        uint8_t reserved1[40];
};
_Static_assert(sizeof(struct lane_words) == 128, "lane: size");
_Static_assert(offsetof(struct lane_words, cursor) == 0, "lane: cursor");
_Static_assert(offsetof(struct lane_words, ids) == 64, "lane: ids");
_Static_assert(offsetof(struct lane_words, overflows) == 72, "lane: overflows");
_Static_assert(offsetof(struct lane_words, overflow_wait_ns) == 80, "lane: overflow_wait_ns");

/* Upper bounds of the overflow wait histogram, in ns; one more bucket above. */
#define OVERFLOW_BUCKETS 12u
static const uint64_t overflow_bucket_ns[OVERFLOW_BUCKETS - 1] = {
        50000, 100000, 200000, 500000, 1000000, 2000000,
        5000000, 10000000, 100000000, 1000000000, 10000000000,
};

struct cursors_page {
        _Atomic uint64_t overflow_wait[OVERFLOW_BUCKETS]; /* calls, by how long they waited */
        uint8_t reserved[2048 - 8 * OVERFLOW_BUCKETS];
        /* 2048 */
        struct lane_words lanes[]; /* grants_page.lanes of them, then: */
        /* _Atomic uint64_t worker_ids[grants_page.worker_counters]: IDs by worker,
         * counted like lane_words.ids */
};
_Static_assert(sizeof(struct cursors_page) == 2048, "cursors: header");
_Static_assert(offsetof(struct cursors_page, overflow_wait) == 0, "cursors: overflow_wait");
_Static_assert(offsetof(struct cursors_page, lanes) == 2048, "cursors: lanes");

static inline uint32_t grants_page_size(uint32_t lanes) {
        return (uint32_t)sizeof(struct grants_page) +
               lanes * (uint32_t)(SLOTS_PER_LANE * sizeof(struct slot));
}
static inline uint32_t cursors_worker_ids_offset(uint32_t lanes) {
        return (uint32_t)sizeof(struct cursors_page) + lanes * (uint32_t)sizeof(struct lane_words);
}
static inline uint32_t cursors_page_size(uint32_t lanes, uint32_t worker_counters) {
        return cursors_worker_ids_offset(lanes) + worker_counters * (uint32_t)sizeof(uint64_t);
}

/* Positions used up are counted by worker, by library and daemon alike: how many of the
 * positions [first, last) belong to `worker`. */
static inline uint64_t usage_of_worker(uint64_t first, uint64_t last, uint64_t worker,
                                       unsigned sequence_bits) {
        uint64_t from = worker << sequence_bits, to = (worker + 1) << sequence_bits;

        if (from < first)
                from = first;
        if (to > last)
                to = last;
        return from < to ? to - from : 0;
}
