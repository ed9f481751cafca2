/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What all clients there ever were have counted together. Of each client it keeps a record,
 * the highest values seen of it: in the client's grants page, so that the next daemon goes on
 * from there. The statistics thread looks at clients while the ledger thread adopts and
 * retires them.
 */
#include <pthread.h>
#include <stdint.h>

#include "daemon/client/client.h"
#include "daemon/statistics/client_counters.h"
#include "shm/statistics.h"

struct totals {
        struct statistics_run run;
        /* Held while one client is read. Guards what follows, and each client's record. */
        pthread_mutex_t mutex;
        uint64_t values[STATISTICS_VALUES_MAX];
        uint64_t fresh[STATISTICS_VALUES_MAX];
        uint64_t scratch[STATISTICS_VALUES_MAX];
};

/* Goes on from what the segment shows, which may be nothing. */
void totals_init(struct totals *totals, const struct statistics_run *run,
                 const struct statistics_segment *earlier);
void totals_fini(struct totals *totals);

/* A client of an earlier daemon, not in the list yet: is counted from where that one ended. */
void totals_adopt(struct totals *totals, struct client *client);
/* Takes in what is new of a client. Calls `list` with its record; not for one that was
 * retired, or has no record for lack of memory and is counted when it ends. */
void totals_look_at(struct totals *totals, struct client *client,
                    void (*list)(void *context, const struct client *client,
                                 const uint64_t *record),
                    void *context);
/* The client ends: for the last time. It may still be in the list. */
void totals_retire(struct totals *totals, struct client *client);
/* Of a client that is still there when the daemon ends. */
void totals_forget(struct client *client);

/* Overflows, waits and IDs by worker. */
void totals_fill(struct totals *totals, struct statistics_segment *image);
