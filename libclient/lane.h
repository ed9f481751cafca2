/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A lane's cursor off the hot path: claiming positions by compare-and-swap,
 * always under a clock reading of its own, never under a lock.
 */
#include <stdint.h>

#include "libclient/attachment.h"

/* What a claim got: `count` positions of `width`-wide ticks, beginning at
 * position start + offset of `tick` and going on at offset 0 of the next. */
struct claim {
        uint64_t tick;
        uint32_t start;
        uint32_t width;
        uint32_t offset;
        uint32_t position_bits; /* of the layout: how far an ID's tick is shifted */
        uint64_t count;
};

static inline uint64_t claim_first_id(const struct claim *c) {
        return (c->tick << c->position_bits) + c->start + c->offset;
}

enum claim_result {
        CLAIM_GOT,
        CLAIM_FULL,    /* the lane has used up its width in this tick */
        CLAIM_NO_SLOT, /* no slot of the lane is valid at this tick */
        CLAIM_CLOSED,  /* the lane was closed: go to the new attachment */
        CLAIM_LOST,    /* somebody else moved the cursor; lane_claim() tries again */
};

/*
 * Claims at least `min` and at most `max` positions. All lie in one tick,
 * except that a claim for more than a tick's width may begin up to
 * `reach_back_ticks` in the past, in ticks which the lane has left unused.
 * *ret_tick and *ret_boot_ns are what the clock said, whatever came of it.
 */
enum claim_result lane_claim(struct attachment *a, uint32_t lane, uint64_t min, uint64_t max,
                             uint64_t reach_back_ticks, struct claim *ret, uint64_t *ret_tick,
                             int64_t *ret_boot_ns);

/* Is this value, which the caller got from adding 1 to the cursor, a good
 * position now? Fills in *ret and *ret_boot_ns if so. */
bool lane_judge(struct attachment *a, uint32_t lane, uint64_t cursor, struct claim *ret,
                int64_t *ret_boot_ns);

/* The widest width of a slot valid at `tick`; 0: none. *ret_begins (if 0 is
 * returned) is the first tick at which one becomes valid, or UINT64_MAX. */
uint32_t lane_widest(const struct attachment *a, uint32_t lane, uint64_t tick,
                     uint64_t *ret_begins);

/* Closes all lanes for good; returns the highest tick any of them was in. */
uint64_t lanes_close(struct attachment *a);
/* Before the attachment is used: its lanes begin above `last_tick`. */
void lanes_begin_after(struct attachment *a, uint64_t last_tick);

/* Is the lane in an elastic reservation at that very tick? */
bool lane_on_elastic(const struct attachment *a, uint32_t lane, uint64_t tick);

static inline struct lane_words *lane_words_of(const struct attachment *a, uint32_t lane) {
        return &attachment_cursors(a)->lanes[lane];
}
