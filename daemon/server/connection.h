/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Connections, their states, and how long a connection may stay in each. The number of
 * peers which are connected and silent is limited here; which messages a peer may send is
 * decided in protocol.c. Ledger thread only.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/server/clients.h"
#include "daemon/server/peer.h"
#include "daemon/util/event.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

enum connection_state {
        CONNECTION_PENDING,   /* has sent nothing yet */
        CONNECTION_HELD,      /* has sent HELLO, and waits for the clock or a reservation */
        CONNECTION_ATTACHED,
        CONNECTION_THROTTLED, /* attached; sends too many hints, so not read for a moment */
        CONNECTION_DEAD,      /* closed; freed by connections_reap() */
        CONNECTION_STATES,
};

#define CONNECTION_HELD_NS (4 * NS_PER_S) /* the library waits for 5 s */

struct connection {
        TAILQ_ENTRY(connection) link;
        struct connections *connections;
        struct event_source source; /* the socket */
        struct peer peer;
        enum connection_state state;
        int64_t deadline_ns;   /* of the state; CLOCK_BOOTTIME, as all times here */
        struct client *client; /* NULL: pending, or held for the clock */
        /* of the protocol */
        uint32_t n_lanes; /* asked for by HELLO */
        uint16_t version; /* agreed on */
        int64_t hint_ns;  /* when its hints so far are paid off */
};

TAILQ_HEAD(connection_list, connection);

/* Called with the events of a connection. Returns its next state. */
typedef enum connection_state (*connection_receive)(void *context, struct connection *connection,
                                                    uint32_t events, int64_t now_ns);

struct connections {
        struct event_loop *loop;
        struct clients *clients;
        connection_receive receive;
        void *context; /* of `receive` */
        /* each ordered by deadline, as a state always lasts for the same time */
        struct connection_list lists[CONNECTION_STATES];
        uint32_t n_pending, n_held;
        int64_t swept_ns;
};

/* The caller has filled in loop, clients, receive and context, and nothing else. */
void connections_init(struct connections *connections);
/* Closes all. Clients in the descriptor store do not notice: their sockets stay open
 * there, and their lanes in the ledger, for the next daemon. */
void connections_close(struct connections *connections);

/* Takes an accepted socket, makes room for it, and reads what was sent already. */
void connections_add(struct connections *connections, int socket, int64_t now_ns);
/* Makes the connection of a client which an earlier daemon attached and which is in the
 * list of clients already. 0; or -errno, then the socket stays the caller's. */
int connections_adopt(struct connections *connections, struct client *client,
                      const struct peer *peer);

/* The only way to change the state. CONNECTION_DEAD ends the client and closes the
 * socket. */
void connection_become(struct connection *connection, enum connection_state state,
                       int64_t now_ns);
/* Ends attached connections whose peers have hung up, before their events come. False: there
 * were none. At most once a millisecond, however often it is asked. */
bool connections_sweep(struct connections *connections);
/* Frees the dead ones, once a batch of events is dealt with. */
void connections_reap(struct connections *connections);
/* The earliest deadline; INT64_MAX: none. */
int64_t connections_deadline(const struct connections *connections);
