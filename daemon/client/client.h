/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A client: one connection and its pages. Made and freed by the ledger thread.
 * The statistics thread walks the list under rcu_read_lock(); a client is
 * unlinked first and freed after a grace period.
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

/* What the ledger thread knows of a lane's demand. Only it touches this. */
struct client_lane {
        struct ledger_entry *entry;
        uint64_t ids;          /* at the last look, clamped to be plausible (rule 13) */
        uint64_t overflows;    /* at the last look */
        uint64_t used;         /* IDs since the look before */
        uint64_t new_overflows;
        uint64_t busy_tick;    /* last tick in which it was seen busy or hinted; 0 never */
        uint32_t wanted;       /* by its last hint */
        uint32_t planned;      /* scratch of a planning round */
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
        int64_t attached_boot_ns;
        uint64_t attached_tick;
        uint64_t young_until; /* tick: short standing reservations before it */
        uint32_t n_lanes;
        struct account_amounts amounts; /* what it is charged */
        /* mapped read-write; the descriptor is closed when nobody needs it any more:
         * after WELCOME, or once it is in the descriptor store */
        struct segment grants;
        struct segment cursors; /* not mapped: read with pread */
        /* published for the statistics thread: widths now held (relaxed) */
        _Atomic uint32_t standing_width;
        _Atomic uint32_t elastic_width;
        bool stored; /* it, or rather its descriptors: daemon/server/fdstore.h */
        bool to_store;
        TAILQ_ENTRY(client) store_link; /* while to_store */
        uint64_t *statistics; /* daemon/statistics/statistics.c's, under its mutex; NULL at first */
        struct client_lane lanes[];
};

/* What a client is made of, known before anything is built. */
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
/* Builds both pages, headers and first cursors filled in; no account, socket
 * -1. 0 or -errno, silent. */
int client_new(struct client **ret, const struct client_shape *shape);
/* From the pages which an earlier daemon made for that client; everything they
 * say of themselves must fit. No account, socket -1. The descriptors stay the
 * caller's. -EBADMSG: they are not its pages. Silent. */
int client_adopt(struct client **ret, uint64_t id, uint32_t n_lanes, int grants_fd,
                 int cursors_fd);
/* For a client nobody else has seen; NULL allowed. It holds no account and no
 * socket any more. */
struct client *client_free(struct client *client);
/* The same after a grace period, for one that was in the list. */
void client_free_later(struct client *client);
/* The grants page changed: whoever sleeps on it wakes up. */
void client_wake(struct client *client);

/* One consistent-as-can-be look at a lane's counters; hostile memory. */
struct client_counters {
        uint64_t ids;       /* finished ticks plus the used part of the current one */
        uint64_t overflows;
        uint64_t overflow_wait_ns;
};
/* pread; -EIO when the page cannot be read (punched pages read as zero). Safe
 * from any thread while the client is alive or inside rcu_read_lock(). */
int client_read_lane(const struct client *client, uint32_t lane, struct client_counters *ret);

static inline struct grants_page *client_grants(const struct client *client) {
        return client->grants.map;
}
