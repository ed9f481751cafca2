/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a segment of an earlier daemon must match to be adopted, and what a rejected one
 * still teaches: that its daemon lives, and up to which tick IDs may exist.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config/config.h"
#include "daemon/lease/lease.h"
#include "daemon/lease/state/ledger_look.h"
#include "daemon/segment/segment.h"
#include "shm/clock.h"
#include "shm/ledger.h"
#include "shm/statistics.h"

struct adopt_findings {
        uint32_t other_ticker; /* the thread of a live ticker: another daemon uses the segments */
        uint64_t known_tick;   /* IDs up to it may exist: the highest fence that can be believed */
        bool has_statistics;   /* earlier daemons of this boot have counted: */
        struct statistics_segment statistics;
};

struct adopt {
        uint8_t boot_id[16];
        uint8_t ledger_id[LEDGER_ID_SIZE];
        bool has_ledger_id;
        const struct config *config;
        const struct lease_grant *granted;
        struct adopt_findings *findings;
};

/* True: the segment may be adopted. All are a segment_accept_fn; `context` is a struct
 * adopt, whose findings grow. */
bool adopt_clock(const void *map, size_t size, const void *context);
bool adopt_ledger(const void *map, size_t size, const void *context);
bool adopt_statistics(const void *map, size_t size, const void *context);

/* -EBUSY: another daemon holds the lock of the ledger; `version` goes into the message
 * behind that. Logs its errors. */
int adopt_lock(const struct segment *ledger, const struct config *config, const char *version);
