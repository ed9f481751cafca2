/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The ledger: every live rectangle of this host. One thread calls it (rule 3). It trusts no
 * planner: each grant and extension is checked here against U2 (disjoint), U3
 * (t1 <= fence), rule 2 and the run. It is then written to the journal segment, and only
 * then to the client's slot (rule 4), with kill points in between.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/ledger/entry.h"
#include "daemon/ledger/fence_word.h"
#include "shm/ledger.h"
#include "shm/slot.h"

struct ledger;

/* The caller has filled in `segment`, and keeps it mapped as long as the ledger lives.
 * Rectangles in it with t1 > now_tick count as taken. Records that belong to a client by
 * the journal wait for that client (ledger_adopt_lane()) until ledger_end_adoption(), or
 * until the first lane is opened. */
int ledger_new(struct ledger **ret, struct ledger_segment *segment, struct run run,
               uint64_t now_tick);
struct ledger *ledger_free(struct ledger *ledger);

/* The fence that is durable; grants end at or below it. It does not go down. Only
 * reserve/fence calls this. */
void ledger_set_fence(struct ledger *ledger, uint64_t fence_tick);
uint64_t ledger_fence(const struct ledger *ledger);
/* At a clean stop, when nothing is granted any more: the fence comes down to `fence_tick`,
 * which is at or above all promises. */
void ledger_lower_fence(struct ledger *ledger, uint64_t fence_tick);
/* Each fence is also written there before it counts. */
void ledger_copy_fence(struct ledger *ledger, struct fence_word copy);
struct run ledger_run(const struct ledger *ledger);
/* The run has another width from now on. What is held beyond it stays held, and is not
 * extended. */
void ledger_resize_run(struct ledger *ledger, uint32_t run_width);
/* The first position from which on nothing is held in any tick to come. */
uint64_t ledger_end(const struct ledger *ledger);
/* For withdrawals. */
void ledger_set_clock(struct ledger *ledger, struct ledger_clock clock);
/* Rectangles that have run out since the start. */
uint64_t ledger_expired(const struct ledger *ledger);
/* Forgets what has run out. Call it with the current tick before a round of grants. */
void ledger_set_now(struct ledger *ledger, uint64_t now_tick);

/* The number of a new client: the journal has never had it before. */
uint64_t ledger_number_client(struct ledger *ledger);
/* A place for a lane; -ENOSPC: all are in use or resting. The place of a closed lane rests
 * until its last rectangle has run out. */
int ledger_open_lane(struct ledger *ledger, uint64_t client, uint32_t lane, uint32_t uid,
                     uint32_t pid, struct slot *slots, struct ledger_entry **ret);
struct ledger_entry *ledger_close_lane(struct ledger *ledger, struct ledger_entry *entry);

/* A client of the earlier daemon: the record of its lane 0, and how many lanes it has.
 * NULL: the journal does not know the client, or not each of its lanes once. */
const struct ledger_lane *ledger_former(const struct ledger *ledger, uint64_t client,
                                        uint32_t *ret_lanes);
/* Adopts a lane: brings the client's slots up to the journal's, which the dead daemon may
 * not have got to (rule 4). -ENOENT: it is not there, or not any more; -EBADMSG: the slots
 * promise what the journal does not know. */
int ledger_adopt_lane(struct ledger *ledger, uint64_t client, uint32_t lane, struct slot *slots,
                      struct ledger_entry **ret);
/* Records of clients that were not adopted belong to nobody from now on, and rest until
 * their rectangles have run out. */
void ledger_end_adoption(struct ledger *ledger);

/* -EINVAL: outside the run, or empty; -ERANGE: above the fence; -EBUSY: overlaps a live
 * rectangle, or the slot's own has not run out. Nothing is written then. */
int ledger_grant(struct ledger *ledger, struct ledger_entry *entry, unsigned slot,
                 const struct rectangle *rectangle);
/* -EINVAL: it would shrink, or the slot has no live grant; -ERANGE, -EBUSY as above. */
int ledger_extend(struct ledger *ledger, struct ledger_entry *entry, unsigned slot, uint64_t t1);
/* The slot's grant; false if it holds none that is live now or later. */
bool ledger_slot(const struct ledger *ledger, const struct ledger_entry *entry, unsigned slot,
                 struct rectangle *ret);

/* Gaps are positions that nobody holds in any tick of [t0, t1). */
/* The highest place for `width` positions; -ENOSPC. */
int ledger_find_high(const struct ledger *ledger, uint64_t t0, uint64_t t1, uint32_t width,
                     uint32_t *ret_start);
/* The widest gap, the lowest of equals; width 0 if there is none. */
void ledger_widest_gap(const struct ledger *ledger, uint64_t t0, uint64_t t1, uint32_t *ret_start,
                       uint32_t *ret_width);

/* The highest t1 ever promised, to which the fence may come down. */
uint64_t ledger_last_promise(const struct ledger *ledger);
size_t ledger_live_count(const struct ledger *ledger);
