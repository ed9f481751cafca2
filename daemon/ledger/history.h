/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Writes the history segment: who holds which positions. Ledger thread only. It never waits,
 * and nothing depends on a reader. All functions do nothing where `history` is NULL.
 */
#include <stdint.h>

#include "shm/history.h"
#include "shm/slot.h"

/* The segment is filled in by the caller, and stays mapped as long as it is written. */
struct history {
        struct history_segment *segment;
        uint64_t tick; /* of the ledger, goes into each event */
};

/* Writes an event, whose number and tick are filled in here. */
void history_write(struct history *history, struct history_event event);

/* What slot `slot` of a record of the ledger holds, from now on or still. */
void history_held(struct history *history, uint32_t record, unsigned slot, uint64_t client,
                  uint32_t lane, const struct rectangle *r);

struct history_client {
        uint64_t client;
        uint32_t pid, uid;
        int64_t start_unix_ms;
        const char *comm, *cgroup;
};
void history_client(struct history *history, const struct history_client *client);
