/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who held which positions: made of the events of the ring, or of what is recorded. Pure.
 *
 * Events that were lost concern no tick before the last event known before them: whatever the
 * ledger changes, it changes from its present tick on. So a loss opens a gap there. What was
 * held then is doubtful from there on, until an event tells it again: the same reservation
 * (slot, first tick, positions) was held all the time. A whole round after the loss has told
 * all that is live. Then what is still doubtful ended at the beginning of the gap, as far as
 * anybody can know, and the gap ends: beyond it everything is known again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/history.h"

#define PICTURE_RECORDS 65536u /* the ledger has 16384 */
#define PICTURE_SLOTS 4u
#define PICTURE_COMM 16u
#define PICTURE_CGROUP (HISTORY_CGROUP_PART * HISTORY_CGROUP_PARTS)

struct picture_client {
        uint64_t ledger, number;
        uint32_t pid, uid;
        int64_t start_unix_ms;           /* 0: not known */
        char comm[PICTURE_COMM + 1];     /* "": not known */
        char *cgroup;                    /* of PICTURE_CGROUP + 1 bytes; NULL: not known */
        bool dirty, used;
};

struct picture_held {
        uint64_t ledger, client; /* client 0: not known */
        uint64_t t0, t1;
        uint32_t record, start, width;
        uint8_t slot, lane;
        bool dirty; /* not recorded yet */
        bool doubtful; /* from picture.gap.from on */
};

enum picture_why {
        PICTURE_BEGIN = 1, /* nothing was recorded before */
        PICTURE_LOST,      /* events were lost */
        PICTURE_RESTART,   /* the daemon began anew */
        PICTURE_DAMAGED,   /* the daemon found its memory damaged */
        PICTURE_WHYS,
};

struct picture_gap {
        uint64_t from, to; /* ticks, [from, to) */
        enum picture_why why;
        bool dirty;
};

struct picture {
        struct picture_client *clients;
        size_t n_clients, clients_room;
        uint32_t *index; /* of clients, by hash; plus 1 */
        size_t index_size;
        struct picture_held *held;
        size_t n_held, held_room;
        uint32_t *latest; /* of held, for each slot; plus 1 */
        struct picture_gap *gaps;
        size_t n_gaps, gaps_room;
        uint64_t tick;   /* everything is known of the ticks before it, gaps aside */
        uint64_t ledger; /* the ID of the present one, shortened */
        uint32_t run_start, run_width;
        uint32_t generation; /* of the daemon that began last */
        bool in_gap;     /* `gap` is open */
        bool in_round;   /* a round has begun since */
        struct picture_gap gap;
        uint64_t unknown_tick; /* the gap lasts to it at least */
        bool failed;           /* out of memory: nothing can be said */
};

/* Nothing is known: a gap from tick 0 on. 0 or -ENOMEM. */
int picture_init(struct picture *picture);
void picture_fini(struct picture *picture);

void picture_apply(struct picture *picture, const struct history_event *event);
/* Events were lost. */
void picture_lose(struct picture *picture, enum picture_why why);

/* What was recorded; each replaces what is known of the same. */
void picture_put_held(struct picture *picture, const struct picture_held *held);
void picture_put_client(struct picture *picture, const struct picture_client *client);
void picture_put_gap(struct picture *picture, const struct picture_gap *gap);

/* All of it is recorded. */
void picture_mark_clean(struct picture *picture);
/* Forgets what has run out and is recorded, and with `clients` also those that hold nothing. */
void picture_compact(struct picture *picture, bool clients);
/* Forgets what has run out although it is not recorded. */
void picture_drop(struct picture *picture);

/* Who held the position at that tick; NULL: nobody, or it is not known (picture_gap_at()). */
const struct picture_held *picture_find(const struct picture *picture, uint64_t tick,
                                        uint32_t position);
/* NULL: everything is known of that tick, if it is before picture.tick. */
const struct picture_gap *picture_gap_at(const struct picture *picture, uint64_t tick);
const struct picture_client *picture_client_of(const struct picture *picture, uint64_t ledger,
                                               uint64_t number);
