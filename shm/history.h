/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The history segment: a ring of events, from which a recorder learns who held which
 * positions. The daemon's ledger thread writes it and never waits for a reader; a reader that
 * is too slow loses events, and knows how many.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/id.h"

#define HISTORY_MAGIC "sfshmhis"
#define HISTORY_VERSION 1u
#define HISTORY_EVENTS 32768u /* a power of two: half a minute of 100 busy clients */
#define HISTORY_CGROUP_PART 32u
#define HISTORY_CGROUP_PARTS 16u

enum history_kind {
        HISTORY_START = 1, /* a daemon begins; a round follows */
        HISTORY_ROUND = 2, /* all clients and all live reservations follow, up to ROUND_END */
        HISTORY_ROUND_END = 3,
        HISTORY_CLIENT = 4, /* a client; its CGROUP events follow */
        HISTORY_CGROUP = 5, /* a part of the path */
        HISTORY_HELD = 6, /* what a slot of the ledger holds: granted, extended, shortened, or the
                           * same as before, in a round */
        HISTORY_DAMAGED = 7, /* who holds positions up to `t1` is not known for all of them */
        HISTORY_NOW = 8, /* all is told that concerns the ticks before this one */
};

enum history_flag {
        HISTORY_ADOPTED = 1, /* START: the ledger continues that of the daemon before */
};

/* Of the ring: the position (from 0) and an index, never a pointer. */
struct history_event {
        uint64_t number; /* its position, plus 1 */
        uint16_t kind;
        uint16_t slot;   /* HELD: of the lane; CGROUP: which part; START: flags */
        uint32_t record; /* HELD: of the ledger */
        uint64_t tick;   /* the ledger's: what follows concerns no tick before it */
        uint64_t client; /* number; 0: not known any more. START: the ledger's ID, shortened */
        union {
                struct {
                        uint32_t start, width;
                        uint64_t t0, t1;
                        uint32_t lane, reserved;
                } held;
                struct {
                        uint32_t pid, uid;
                        int64_t start_unix_ms; /* of the process; 0: not known */
                        char comm[16]; /* at attach; "": not known */
                } client_is;
                char cgroup[HISTORY_CGROUP_PART]; /* filled with NULs */
                struct {
                        uint32_t start, width; /* START, ROUND: the run */
                        uint64_t t1; /* START: IDs up to it may exist of which this ledger does not
                                      * know; DAMAGED: see there */
                        uint32_t pid;          /* of the daemon */
                        uint32_t generation;   /* START: clock_segment.generation */
                        uint32_t reserved[2];
                } daemon;
                uint64_t words[4];
        };
};
_Static_assert(sizeof(struct history_event) == 64, "history event: size");
_Static_assert(offsetof(struct history_event, kind) == 8, "history event: kind");
_Static_assert(offsetof(struct history_event, slot) == 10, "history event: slot");
_Static_assert(offsetof(struct history_event, record) == 12, "history event: record");
_Static_assert(offsetof(struct history_event, tick) == 16, "history event: tick");
_Static_assert(offsetof(struct history_event, client) == 24, "history event: client");
_Static_assert(offsetof(struct history_event, words) == 32, "history event: words");

#define HISTORY_EVENT_WORDS (sizeof(struct history_event) / sizeof(uint64_t))

struct history_segment {
        char magic[8];
        uint32_t version;
        uint32_t capacity; /* events: HISTORY_EVENTS */
        uint64_t size;     /* of the segment, in bytes */
        uint8_t boot_id[16];
        struct id_layout layout;
        uint64_t ring;         /* a random number: positions of another ring mean nothing */
        _Atomic uint64_t head; /* position of the next event */
        uint8_t reserved[4096 - 72];
        _Atomic uint64_t events[][HISTORY_EVENT_WORDS]; /* struct history_event */
};
_Static_assert(sizeof(struct history_segment) == 4096, "history: header");
_Static_assert(offsetof(struct history_segment, version) == 8, "history: version");
_Static_assert(offsetof(struct history_segment, capacity) == 12, "history: capacity");
_Static_assert(offsetof(struct history_segment, size) == 16, "history: size");
_Static_assert(offsetof(struct history_segment, boot_id) == 24, "history: boot_id");
_Static_assert(offsetof(struct history_segment, layout) == 40, "history: layout");
_Static_assert(offsetof(struct history_segment, ring) == 56, "history: ring");
_Static_assert(offsetof(struct history_segment, head) == 64, "history: head");
_Static_assert(offsetof(struct history_segment, events) == 4096, "history: events");

#define HISTORY_SEGMENT_SIZE \
        (sizeof(struct history_segment) + HISTORY_EVENTS * sizeof(struct history_event))
