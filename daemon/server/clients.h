/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All clients of this daemon: who is let in, what a client is charged and gets, and
 * its end. Ledger thread only; the statistics thread reads the list under RCU.
 */
#include <stdbool.h>
#include <stdint.h>
#include <urcu/rculist.h>

#include "daemon/client/account.h"
#include "daemon/client/client.h"
#include "daemon/config/config.h"
#include "daemon/lease/lease.h"
#include "daemon/ledger/ledger.h"
#include "daemon/reserve/reserve.h"
#include "daemon/segment/segment.h"
#include "daemon/server/fdstore.h"
#include "daemon/server/peer.h"
#include "daemon/statistics/statistics.h"
#include "shm/wire.h"

struct clients_totals {
        uint64_t attaches; /* since start */
        uint64_t bytes;    /* of shared memory, now */
};

struct clients {
        const struct config *config;
        const struct segment *clock; /* struct clock_segment; goes into each WELCOME */
        struct lease *lease;
        struct ledger *ledger;
        struct reserve *reserve;
        struct accounts *accounts;
        struct fdstore *fdstore; /* NULL: there is none */
        struct statistics *statistics;
        struct history *history; /* NULL: there is none */
        struct cds_list_head list; /* RCU */
        uint32_t n;
        struct clients_totals totals;
        bool changed; /* reserve_run() should look again; it is reset by the caller */
};

/* Outcomes which the caller must handle. */
enum {
        CLIENTS_E_WAITING = 1, /* attached, but reserve_ready() is still false */
        CLIENTS_E_REFUSED = 2, /* not attached: *ret_refusal says why */
};

/* What a client gets that is not let in: `error` is a positive errno. */
void clients_refuse(struct wire_refused *ret, int error, uint32_t retry_after_ms,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A client for the peer at `socket`: charged, its pages built, its lanes open, its
 * first reservations made. 0 or CLIENTS_E_…. */
int clients_attach(struct clients *clients, int socket, struct peer *peer, uint32_t n_lanes,
                   uint64_t now_tick, struct client **ret, struct wire_refused *ret_refusal);
/* Writes who the client is into the history. */
void clients_tell(const struct clients *clients, const struct client *client);
/* Sends WELCOME with its descriptors; never blocks. 0 or -errno: the peer does not
 * take it. */
int clients_welcome(struct clients *clients, struct client *client, uint16_t version);
/* A hint: the lane wants `count` IDs in a tick, see reserve_want(). */
void clients_want(struct clients *clients, struct client *client, uint32_t lane, uint32_t count,
                  uint64_t now_tick);

/* A client of an earlier daemon, its socket set, becomes one of this daemon's, with
 * the lanes which the ledger still has of it. It keeps what it holds, whatever the
 * limits are now: only newcomers are refused. 0; or -errno, then it is in nothing. */
int clients_adopt(struct clients *clients, struct client *client, struct peer *peer,
                  uint64_t now_tick);

/* The client has left, or was hung up on, and its socket is closed: what it holds is
 * withdrawn, and it is taken out of everything. */
void clients_end(struct clients *clients, struct client *client);
/* The same, but its reservations run out by themselves: it uses them until it has attached
 * anew. For a client that is not adopted, or when this daemon stops. */
void clients_abandon(struct clients *clients, struct client *client);
/* The same as that, but its lanes stay its own in the ledger: the next daemon continues with it.
 * For a client in the descriptor store, when this daemon stops. */
void clients_leave(struct clients *clients, struct client *client);
