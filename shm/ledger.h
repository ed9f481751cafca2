/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The ledger segment: the daemon's crash journal of every live rectangle. The record
 * of a lane holds a copy of the lane's slots, written by the same functions, each
 * before the client's slot (rule 4). After a crash of the daemon the next one treats
 * every rectangle whose t1 is above the clock as taken. An odd slot was being written
 * when the daemon died: its old rectangle had ended, since a slot is rewritten only
 * then, and the new one was never published.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/id.h"
#include "shm/slot.h"

#define LEDGER_MAGIC "sfshmldg"
#define LEDGER_VERSION 1u

struct ledger_lane {
        _Atomic uint64_t client; /* 0: no client; its rectangles may still be live */
        uint32_t lane;
        uint32_t uid;
        uint32_t pid;
        uint32_t cgroup; /* a number of its path; 0: not known */
        int64_t attached_boot_ns; /* CLOCK_BOOTTIME: when the client attached */
        struct slot slots[SLOTS_PER_LANE];
};
_Static_assert(sizeof(struct ledger_lane) == 160, "ledger lane: size");
_Static_assert(offsetof(struct ledger_lane, client) == 0, "ledger lane: client");
_Static_assert(offsetof(struct ledger_lane, lane) == 8, "ledger lane: lane");
_Static_assert(offsetof(struct ledger_lane, uid) == 12, "ledger lane: uid");
_Static_assert(offsetof(struct ledger_lane, pid) == 16, "ledger lane: pid");
_Static_assert(offsetof(struct ledger_lane, cgroup) == 20, "ledger lane: cgroup");
_Static_assert(offsetof(struct ledger_lane, attached_boot_ns) == 24, "ledger lane: attached");
_Static_assert(offsetof(struct ledger_lane, slots) == 32, "ledger lane: slots");

struct ledger_segment {
        char magic[8];
        uint32_t version;
        uint32_t capacity; /* records */
        uint64_t size;     /* of the segment, in bytes */
        uint8_t boot_id[16];
        struct id_layout layout;
        uint32_t worker_first;
        _Atomic uint32_t worker_count; /* the run grows and shrinks at its end */
        _Atomic uint64_t next_client; /* number of the next client; never reused */
        _Atomic uint64_t fence;       /* the newest fence known to be durable, a tick */
        uint8_t lineage[16]; /* must match the state directory, else the journal is foreign */
        _Atomic uint64_t fence_inverse; /* ~fence, stored after it; 0: not kept */
        uint8_t reserved[4096 - 104];
        struct ledger_lane lanes[];
};
_Static_assert(sizeof(struct ledger_segment) == 4096, "ledger: header");
_Static_assert(offsetof(struct ledger_segment, version) == 8, "ledger: version");
_Static_assert(offsetof(struct ledger_segment, capacity) == 12, "ledger: capacity");
_Static_assert(offsetof(struct ledger_segment, size) == 16, "ledger: size field");
_Static_assert(offsetof(struct ledger_segment, boot_id) == 24, "ledger: boot_id");
_Static_assert(offsetof(struct ledger_segment, layout) == 40, "ledger: layout");
_Static_assert(offsetof(struct ledger_segment, worker_first) == 56, "ledger: worker_first");
_Static_assert(offsetof(struct ledger_segment, worker_count) == 60, "ledger: worker_count");
_Static_assert(offsetof(struct ledger_segment, next_client) == 64, "ledger: next_client");
_Static_assert(offsetof(struct ledger_segment, fence) == 72, "ledger: fence");
_Static_assert(offsetof(struct ledger_segment, lineage) == 80, "ledger: lineage");
_Static_assert(offsetof(struct ledger_segment, fence_inverse) == 96, "ledger: fence_inverse");
_Static_assert(offsetof(struct ledger_segment, lanes) == 4096, "ledger: lanes");

static inline uint64_t ledger_segment_size(uint32_t capacity) {
        return sizeof(struct ledger_segment) + (uint64_t)capacity * sizeof(struct ledger_lane);
}
