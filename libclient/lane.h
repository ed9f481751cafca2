/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A lane's cursor off the hot path: claims positions by compare-and-swap, always after
 * a clock reading of its own, never under a lock.
 */
#include <stdint.h>

#include "libclient/attachment.h"

/* The result of a claim: `count` positions in ticks of width `width`. They begin at position
 * start + offset of `tick` and continue at offset 0 of the next tick. */
struct claim {
        uint64_t tick;
        uint32_t start;
        uint32_t width;
        uint32_t offset;
        uint32_t position_bits; /* of the layout: the shift of an ID's tick */
        uint64_t count;
};

static inline uint64_t claim_first_id(const struct claim *c) {
        return (c->tick << c->position_bits) + c->start + c->offset;
}

enum claim_result {
        CLAIM_GOT,
        CLAIM_FULL,    /* the lane has used up its width in this tick */
        CLAIM_NO_SLOT, /* no slot of the lane is valid at this tick */
        CLAIM_LEFT,    /* the handle uses a newer attachment: what was claimed is discarded */
        CLAIM_ENDED,   /* the pages are 8.7 years old: attach again */
        CLAIM_LOST,    /* another caller moved the cursor; lane_claim() tries again */
};

/*
 * Claims at least `min` and at most `max` positions. All lie in one tick, except that
 * a claim for more than a tick's width may begin up to `reach_back_ticks` in the past,
 * in ticks that the lane left unused. *ret_tick and *ret_boot_ns are always set to the
 * reading of the clock.
 *
 * What is claimed counts only if the handle still uses `a` afterwards. See lanes_begin().
 */
enum claim_result lane_claim(struct attachment *a, uint32_t lane, uint64_t min, uint64_t max,
                             uint64_t reach_back_ticks, struct claim *ret, uint64_t *ret_tick,
                             int64_t *ret_boot_ns);

/* Is this value, which the caller got by adding 1 to the cursor, a valid position now? If so
 * sets *ret and *ret_boot_ns. */
bool lane_judge(struct attachment *a, uint32_t lane, uint64_t cursor, struct claim *ret,
                int64_t *ret_boot_ns);

/* The largest width of a slot that is valid at `tick`, or 0. With 0, *ret_begins is the first
 * tick at which a slot becomes valid, or UINT64_MAX. */
uint32_t lane_widest(const struct attachment *a, uint32_t lane, uint64_t tick,
                     uint64_t *ret_begins);

/*
 * Lets the lanes begin above every tick of the attachment before (O1). lane_claim() does it
 * once the attachment is the newest of its handle; any number of threads and forked
 * children may do it at once.
 */
void lanes_begin(struct attachment *a);

/* Does the lane use an elastic reservation at exactly that tick? */
bool lane_on_elastic(const struct attachment *a, uint32_t lane, uint64_t tick);

static inline struct lane_words *lane_words_of(const struct attachment *a, uint32_t lane) {
        return &attachment_cursors(a)->lanes[lane];
}
