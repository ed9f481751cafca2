/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Connections: pending (nothing said yet), held (said HELLO; waits for the
 * clock or for a reservation), attached, throttled (attached, but hinting too
 * fast: not listened to for a moment). How many may say nothing is bounded
 * here; what the others may say, in conversation.c. Ledger thread only.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/server/attach.h"
#include "daemon/util/log_ratelimit.h"
#include "shm/wire.h"

enum connection_state {
        CONNECTION_PENDING,
        CONNECTION_HELD,
        CONNECTION_ATTACHED,
        CONNECTION_THROTTLED,
        CONNECTION_DEAD, /* freed at the end of the round */
        CONNECTION_STATES,
};

struct connection {
        TAILQ_ENTRY(connection) link;
        enum connection_state state;
        int fd;
        uid_t uid;
        int64_t deadline_ns; /* CLOCK_BOOTTIME, as all times here */
        int64_t hint_ns;     /* when its hints so far are paid for */
        uint16_t version;
        struct wire_hello hello;
        struct client *client; /* NULL: pending, or held for the clock */
};

TAILQ_HEAD(connection_list, connection);

struct connections {
        struct attach *attach;
        int epoll_fd;
        /* each ordered by deadline: it is always the same time ahead */
        struct connection_list lists[CONNECTION_STATES];
        uint32_t n_pending;
        bool changed; /* reserve_run() should look again */
        int64_t poked_ns;
        struct log_ratelimit broken, refused, crowded;
};

void connections_init(struct connections *connections, struct attach *attach, int epoll_fd);
/* Detaches and closes all. Clients in the descriptor store see nothing of it: their
 * sockets stay open there, their lanes stay theirs, for the next daemon. */
void connections_close(struct connections *connections);

/* Takes over an accepted socket, makes room for it; NULL when it was closed. */
struct connection *connections_add(struct connections *connections, int fd, int64_t now_ns);
/* The connection of a client which an earlier daemon attached, in the list of
 * clients already; or -errno. */
int connections_adopt(struct connections *connections, struct client *client);
void connections_move(struct connections *connections, struct connection *connection,
                      enum connection_state state, int64_t deadline_ns);
/* Ends the client, closes the socket; freed by connections_reap(). */
void connections_drop(struct connections *connections, struct connection *connection);
/* The earliest deadline; INT64_MAX: none. */
int64_t connections_deadline(const struct connections *connections);
/* Frees dropped ones: not before the events of a round are dealt with. */
void connections_reap(struct connections *connections);
