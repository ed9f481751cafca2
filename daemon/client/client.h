/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A client: one connection and its pages. The ledger thread makes and frees it. The
 * statistics thread walks the list under rcu_read_lock(), so a client is unlinked
 * first and freed after a grace period.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <urcu/rculist.h>
#include <urcu.h>

#include "daemon/client/account.h"
#include "daemon/ledger/ledger.h"
#include "daemon/segment/segment.h"
#include "shm/pages.h"

/* What the ledger thread knows of a lane's demand; no other thread uses it. */
struct client_lane {
        struct ledger_entry *entry;
        uint64_t ids;          /* at the last look, clamped to be plausible (rule 13) */
        uint64_t overflows;    /* at the last look */
        uint64_t used;         /* IDs since the look before */
        uint64_t new_overflows;
        uint64_t busy_tick;    /* last tick in which it was busy or sent a hint; 0: never */
        uint64_t hinted_tick;  /* of its last hint */
        uint32_t wanted;       /* by that hint; 0 once it shows what it takes */
        uint32_t planned;      /* scratch space of a plan */
        uint32_t standing;     /* positions charged for its standing reservation */
};

struct client {
        struct cds_list_head link; /* RCU */
        struct rcu_head rcu;
        uint64_t id;
        int socket; /* -1 once gone */
        struct account *account;
        pid_t pid;
        uid_t uid;
        char comm[16];
        int64_t start_unix_ms; /* of the process; 0: not known */
        uint32_t told_round; /* of the history; see server/chronicle.h */
        int64_t attached_boot_ns;
        uint64_t attached_tick;
        uint32_t n_lanes;
        struct account_amounts amounts; /* what it is charged */
        /* mapped read-write; the descriptor is closed when it is no longer needed: after
         * WELCOME, or once it is in the descriptor store */
        struct segment grants;
        struct segment cursors; /* not mapped: read with pread */
        /* published for the statistics thread: widths now held (relaxed) */
        _Atomic uint32_t standing_width;
        _Atomic uint32_t elastic_width;
        bool stored;   /* its descriptors are in the descriptor store, see fdstore.h */
        bool to_store; /* they will be */
        TAILQ_ENTRY(client) store_link; /* while to_store */
        uint64_t *statistics; /* of statistics.c, under its mutex; NULL at first */
        struct client_lane lanes[];
};

/* The size and the first contents of a client's pages, known before they are built. */
struct client_shape {
        uint64_t id;
        uint64_t base_tick;
        uint32_t n_lanes;
        uint32_t worker_first;
        uint32_t worker_counters;
        uint32_t generation; /* the daemon's */
};
/* What a client of that shape is charged: bytes are both pages, in whole memory pages. */
struct account_amounts client_shape_amounts(const struct client_shape *shape);
/* Builds both pages, with their headers and first cursors. The account is NULL, the
 * socket -1. 0 or -errno; logs nothing. */
int client_new(struct client **ret, const struct client_shape *shape);
/* From the pages which an earlier daemon made for that client. Everything in their
 * headers must match. The account is NULL, the socket -1. The descriptors stay the
 * caller's. -EBADMSG: they are not its pages. Logs nothing. */
int client_adopt(struct client **ret, uint64_t id, uint32_t n_lanes, int grants_fd,
                 int cursors_fd);
/* For a client that was never in the list; NULL allowed. Its account and socket are the
 * caller's to release. */
struct client *client_free(struct client *client);
/* The same after a grace period, for one that was in the list. */
void client_free_later(struct client *client);
/* The grants page changed: wakes the threads which sleep on it. */
void client_wake(struct client *client);

/* A lane's counters, as consistent as can be; the memory may be hostile. */
struct client_counters {
        uint64_t ids;       /* finished ticks plus the used part of the current one */
        uint64_t overflows;
        uint64_t overflow_wait_ns;
};
/* Uses pread(); -EIO when the page cannot be read (a hole reads as zero). Any thread may
 * call it, while the client is alive or inside rcu_read_lock(). */
int client_read_lane(const struct client *client, uint32_t lane, struct client_counters *ret);

/* The tick of the lane's cursor, as the client's memory has it now; UINT64_MAX when it
 * cannot be read. */
uint64_t client_cursor_tick(const struct client *client, uint32_t lane);

/* What the statistics have counted of it, GRANTS_COUNTED + *ret_workers numbers in its grants
 * page; NULL: the page is of an earlier daemon that had no room for them. */
uint64_t *client_counted(const struct client *client, uint32_t *ret_workers);

static inline struct grants_page *client_grants(const struct client *client) {
        return client->grants.map;
}
