/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Fills the statistics segment in a thread of its own, once a second while the ticker
 * runs, and when poked. It reads the list of clients under RCU while the ledger thread
 * changes it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <urcu/rculist.h>

#include "daemon/client/client.h"
#include "daemon/lease/lease.h"
#include "daemon/clock/ticker.h"
#include "shm/statistics.h"

struct statistics;

/* What is counted elsewhere. */
struct statistics_sources {
        struct ticker *ticker;
        const struct lease *lease;
        const struct histogram *loop_delay;
};

/* The caller has filled in the segment's magic, version, size, client_capacity, boot
 * ID, layout, worker IDs and daemon_version. What it shows beside that goes on: earlier
 * daemons of this boot have counted it. The first snapshot follows soon. `clients` and the
 * sources must outlive it. */
int statistics_new(struct statistics **ret, struct statistics_segment *segment,
                   struct cds_list_head *clients, const struct statistics_sources *sources);
struct statistics *statistics_free(struct statistics *statistics);

/* What the ledger thread counts, once a round; the next snapshot has it. The other
 * counters are filled in there. */
void statistics_count(struct statistics *statistics, const struct statistics_counters *counters);
void statistics_poke(void *statistics); /* a fresh snapshot soon; any thread */
/* A client of an earlier daemon, not in the list yet: is counted from where that one ended.
 * Ledger thread. */
void statistics_adopt(struct statistics *statistics, struct client *client);
/* A client is about to be unlinked: adds what it has counted to the totals. Ledger
 * thread, once for each client. */
void statistics_retire(struct statistics *statistics, struct client *client);

/* For the watchdog, see watchdog.h; `statistics` is a struct statistics. Ledger thread. */
void statistics_ask(void *statistics, uint32_t question);
bool statistics_answered(void *statistics, uint32_t question);
