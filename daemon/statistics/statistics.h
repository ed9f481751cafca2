/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Fills the statistics segment, in a thread of its own: once a second while
 * the ticker runs, and when poked. Reads the client list under RCU while the
 * ledger thread changes it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <urcu/rculist.h>

#include "daemon/client/client.h"
#include "daemon/lease/lease.h"
#include "daemon/clock/ticker.h"
#include "shm/statistics.h"

/* What the ledger thread counts. */
struct statistics_inputs {
        int64_t attaches, refusals, protocol_errors, hints, grants, extensions, wakeups;
        int64_t lanes, positions_standing, positions_elastic, positions, memory_bytes;
        int64_t clock_rollbacks, clock_forward_steps, clock_holds, clock_offset_ns;
        int64_t clock_state, clock_reason;
};

struct statistics;

/* The caller has filled in the segment's magic, version, size, client_capacity,
 * boot ID, layout, worker run and daemon_version; a snapshot stands in it soon
 * after. `clients`, `ticker` and `lease` outlive it. */
int statistics_new(struct statistics **ret, struct statistics_segment *segment,
                   struct cds_list_head *clients, struct ticker *ticker,
                   const struct lease *lease);
struct statistics *statistics_free(struct statistics *statistics);

/* The ledger thread's numbers, once a round; the next snapshot has them. */
void statistics_count(struct statistics *statistics, const struct statistics_inputs *inputs);
void statistics_poke(struct statistics *statistics); /* a fresh snapshot soon; any thread */
/* A client of the daemon before, not in the list yet: what it has counted so far is
 * its own, and not in this daemon's totals, which begin at 0. Ledger thread. */
void statistics_adopt(struct statistics *statistics, struct client *client);
/* A client is about to be unlinked: keep what it has handed out in the totals.
 * Ledger thread, once for each client. */
void statistics_retire(struct statistics *statistics, struct client *client);

/* The watchdog's, see watchdog.h; `statistics` is a struct statistics. Ledger thread. */
void statistics_ask(void *statistics, uint32_t question);
bool statistics_answered(void *statistics, uint32_t question);
