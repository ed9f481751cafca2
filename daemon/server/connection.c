/* SPDX-License-Identifier: MIT */
#include "daemon/server/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PENDING_NS (2 * NS_PER_S)
#define PENDING_MAX 512u
#define PENDING_PER_UID 64u
/* A uid's oldest pending connection is not dropped before that age: when many honest
 * clients connect at once, a HELLO may well be delayed for so long. */
#define PENDING_GRACE_NS (NS_PER_S / 10)

static const struct {
        int64_t lasts_ns; /* 0: for ever */
        bool listens;
} states[CONNECTION_STATES] = {
        [CONNECTION_PENDING] = { PENDING_NS, true },
        [CONNECTION_HELD] = { CONNECTION_HELD_NS, false },
        [CONNECTION_ATTACHED] = { 0, true },
        [CONNECTION_THROTTLED] = { NS_PER_S / 10, false },
        [CONNECTION_DEAD] = { 0, false },
};

/* ---- from state to state */

static void connection_enter(struct connection *connection, enum connection_state state,
                             int64_t now_ns) {
        struct connections *connections = connection->connections;

        connection->state = state;
        connection->deadline_ns = states[state].lasts_ns == 0 ? INT64_MAX
                                                              : now_ns + states[state].lasts_ns;
        connections->n_pending += state == CONNECTION_PENDING;
        connections->n_held += state == CONNECTION_HELD;
        TAILQ_INSERT_TAIL(&connections->lists[state], connection, link);
}

static void connection_leave(struct connection *connection) {
        struct connections *connections = connection->connections;

        connections->n_pending -= connection->state == CONNECTION_PENDING;
        connections->n_held -= connection->state == CONNECTION_HELD;
        TAILQ_REMOVE(&connections->lists[connection->state], connection, link);
}

/* The socket is closed first: whoever is left of a client that is hung up on must not find
 * a connection that lives and a reservation that was withdrawn. */
static void connection_end(struct connection *connection) {
        struct connections *connections = connection->connections;

        /* the store has another descriptor of the socket, until it is removed there */
        if (connection->client != NULL && connection->client->stored)
                (void)shutdown(connection->source.fd, SHUT_RDWR);
        /* close() is not enough: while the descriptor store has the socket as well, epoll
         * would still report events, for a connection that is freed */
        event_remove(connections->loop, &connection->source);
        close(connection->source.fd);
        connection->source.fd = -1;
        if (connection->client != NULL)
                clients_end(connections->clients, connection->client);
        connection->client = NULL;
}

void connection_become(struct connection *connection, enum connection_state state,
                       int64_t now_ns) {
        struct event_loop *loop = connection->connections->loop;
        bool listens = states[state].listens;

        if (state == connection->state)
                return;
        if (state != CONNECTION_DEAD && listens != states[connection->state].listens &&
            event_listen(loop, &connection->source, listens) < 0)
                state = CONNECTION_DEAD;
        if (state == CONNECTION_DEAD)
                connection_end(connection);
        connection_leave(connection);
        connection_enter(connection, state, now_ns);
}

static void connection_ready(void *context, uint32_t events, int64_t now_ns) {
        struct connection *connection = context;
        struct connections *connections = connection->connections;

        /* it ended by an earlier event of the same batch */
        if (connection->state == CONNECTION_DEAD)
                return;
        connection_become(connection,
                          connections->receive(connections->context, connection, events, now_ns),
                          now_ns);
}

/* ---- how many may say nothing */

static uint32_t connections_pending_of(const struct connections *connections, uid_t uid,
                           struct connection **ret_oldest) {
        struct connection *connection;
        uint32_t n = 0;

        *ret_oldest = NULL;
        TAILQ_FOREACH(connection, &connections->lists[CONNECTION_PENDING], link) {
                if (connection->peer.uid != uid)
                        continue;
                if (n++ == 0)
                        *ret_oldest = connection;
        }
        return n;
}

/* The oldest connection of the uid that has most. Takes PENDING_MAX steps for each entry,
 * but only when the table is full. */
static struct connection *connections_worst(const struct connections *connections) {
        struct connection *connection, *oldest, *worst = NULL;
        uint32_t most = 0;

        TAILQ_FOREACH(connection, &connections->lists[CONNECTION_PENDING], link) {
                uint32_t n = connections_pending_of(connections, connection->peer.uid, &oldest);

                if (n > most) {
                        most = n;
                        worst = oldest;
                }
                if (most > PENDING_MAX / 2)
                        break;
        }
        return worst;
}

static void connections_make_room(struct connections *connections, uid_t uid, int64_t now_ns) {
        struct connection *oldest = NULL;

        if (connections->n_pending >= PENDING_MAX)
                oldest = connections_worst(connections);
        else if (connections->n_pending < PENDING_PER_UID ||
                 connections_pending_of(connections, uid, &oldest) < PENDING_PER_UID ||
                 oldest->deadline_ns - now_ns > PENDING_NS - PENDING_GRACE_NS)
                return;
        log_event_throttled(WITH(EVENT_PENDING, FIELD(UID, oldest->peer.uid),
                                 FIELD(PID, oldest->peer.pid)),
                            "uid %u opens connections and sends "
                            "nothing: the oldest was closed", (unsigned)oldest->peer.uid);
        connection_become(oldest, CONNECTION_DEAD, now_ns);
}

/* ---- coming */

static struct connection *connection_new(struct connections *connections, int socket,
                                         const struct peer *peer) {
        struct connection *connection = calloc(1, sizeof(*connection));

        if (connection == NULL)
                return NULL;
        connection->connections = connections;
        connection->source = (struct event_source){ socket, connection_ready, connection };
        connection->peer = *peer;
        if (event_add(connections->loop, &connection->source) < 0) {
                free(connection);
                return NULL;
        }
        return connection;
}

void connections_add(struct connections *connections, int socket, int64_t now_ns) {
        struct connection *connection;
        struct peer peer;

        if (peer_identify(socket, &peer) < 0 ||
            (connection = connection_new(connections, socket, &peer)) == NULL) {
                close(socket);
                return;
        }
        connections_make_room(connections, peer.uid, now_ns);
        connection_enter(connection, CONNECTION_PENDING, now_ns);
        /* most peers have sent their HELLO by now */
        connection_ready(connection, 0, now_ns);
}

int connections_adopt(struct connections *connections, struct client *client,
                      const struct peer *peer) {
        struct connection *connection = connection_new(connections, client->socket, peer);

        if (connection == NULL)
                return -ENOMEM;
        connection->client = client;
        connection_enter(connection, CONNECTION_ATTACHED, 0);
        return 0;
}

/* ---- hung up on */

#define SWEEP_NS NS_PER_MS
#define SWEEP_MAX 64u /* in one system call */

static bool connections_end_hung_up(struct connection *const *list, struct pollfd *fds, size_t n,
                                    int64_t now_ns) {
        bool any = false;

        if (poll(fds, n, 0) <= 0)
                return false;
        for (size_t i = 0; i < n; i++) {
                if ((fds[i].revents & (POLLHUP | POLLERR)) == 0)
                        continue;
                connection_become(list[i], CONNECTION_DEAD, now_ns);
                any = true;
        }
        return any;
}

static bool connections_sweep_state(struct connections *connections, enum connection_state state,
                                    int64_t now_ns) {
        struct connection *list[SWEEP_MAX], *connection = TAILQ_FIRST(&connections->lists[state]);
        struct pollfd fds[SWEEP_MAX];
        bool any = false;

        while (connection != NULL) {
                size_t n = 0;

                for (; connection != NULL && n < SWEEP_MAX;
                     connection = TAILQ_NEXT(connection, link), n++) {
                        list[n] = connection;
                        fds[n] = (struct pollfd){ .fd = connection->source.fd };
                }
                any |= connections_end_hung_up(list, fds, n, now_ns);
        }
        return any;
}

bool connections_sweep(struct connections *connections) {
        int64_t now_ns = time_ns(CLOCK_BOOTTIME);
        bool attached, throttled;

        if (now_ns - connections->swept_ns < SWEEP_NS)
                return false;
        connections->swept_ns = now_ns;
        attached = connections_sweep_state(connections, CONNECTION_ATTACHED, now_ns);
        throttled = connections_sweep_state(connections, CONNECTION_THROTTLED, now_ns);
        return attached || throttled;
}

/* ---- the end of a round, and of all */

int64_t connections_deadline(const struct connections *connections) {
        int64_t deadline_ns = INT64_MAX;

        for (unsigned state = 0; state < CONNECTION_DEAD; state++) {
                const struct connection *first = TAILQ_FIRST(&connections->lists[state]);

                if (first != NULL && first->deadline_ns < deadline_ns)
                        deadline_ns = first->deadline_ns;
        }
        return deadline_ns;
}

void connections_reap(struct connections *connections) {
        struct connection_list *dead = &connections->lists[CONNECTION_DEAD];
        struct connection *connection;

        while ((connection = TAILQ_FIRST(dead)) != NULL) {
                TAILQ_REMOVE(dead, connection, link);
                free(connection);
        }
}

void connections_init(struct connections *connections) {
        for (unsigned state = 0; state < CONNECTION_STATES; state++)
                TAILQ_INIT(&connections->lists[state]);
}

static void connection_detach(struct connection *connection) {
        struct connections *connections = connection->connections;

        /* this daemon stops, and its clients go on: nothing is withdrawn */
        if (connection->client != NULL && connection->client->stored)
                clients_leave(connections->clients, connection->client);
        else if (connection->client != NULL)
                clients_abandon(connections->clients, connection->client);
        connection->client = NULL;
        connection_become(connection, CONNECTION_DEAD, 0);
}

void connections_close(struct connections *connections) {
        struct connection *connection;

        for (unsigned state = 0; state < CONNECTION_DEAD; state++)
                while ((connection = TAILQ_FIRST(&connections->lists[state])) != NULL)
                        connection_detach(connection);
        connections_reap(connections);
}
