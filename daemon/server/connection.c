/* SPDX-License-Identifier: MIT */
#include "daemon/server/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "daemon/server/peer.h"
#include "daemon/util/time.h"

#define PENDING_NS (2 * NS_PER_S)
#define PENDING_MAX 512u
#define PENDING_PER_UID 64u
/* A uid's oldest pending one is not dropped before that: in a storm of honest
 * clients the scheduler may well keep a HELLO back for so long. */
#define PENDING_GRACE_NS (NS_PER_S / 10)

void connections_move(struct connections *connections, struct connection *connection,
                      enum connection_state state, int64_t deadline_ns) {
        connections->n_pending -= connection->state == CONNECTION_PENDING;
        connections->n_pending += state == CONNECTION_PENDING;
        TAILQ_REMOVE(&connections->lists[connection->state], connection, link);
        TAILQ_INSERT_TAIL(&connections->lists[state], connection, link);
        connection->state = state;
        connection->deadline_ns = deadline_ns;
}

void connections_drop(struct connections *connections, struct connection *connection) {
        if (connection->client != NULL) {
                /* the store has another descriptor of it, until it is removed there */
                if (connection->client->stored)
                        (void)shutdown(connection->fd, SHUT_RDWR);
                attach_end(connections->attach, connection->client);
                connection->client = NULL;
                connections->changed = true;
        }
        /* closing is not enough: the descriptor store may have the socket as well, and
         * events for a connection that is freed would go on */
        (void)epoll_ctl(connections->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
        close(connection->fd);
        connection->fd = -1;
        connections_move(connections, connection, CONNECTION_DEAD, INT64_MAX);
}

static uint32_t pending_of(const struct connections *connections, uid_t uid,
                           struct connection **ret_oldest) {
        struct connection *connection;
        uint32_t n = 0;

        *ret_oldest = NULL;
        TAILQ_FOREACH(connection, &connections->lists[CONNECTION_PENDING], link) {
                if (connection->uid != uid)
                        continue;
                if (n++ == 0)
                        *ret_oldest = connection;
        }
        return n;
}

/* The oldest of the uid that has most. At most PENDING_MAX entries are looked
 * at for each, and only when the table is full. */
static struct connection *most_crowded(const struct connections *connections) {
        struct connection *connection, *oldest, *worst = NULL;
        uint32_t most = 0;

        TAILQ_FOREACH(connection, &connections->lists[CONNECTION_PENDING], link) {
                uint32_t n = pending_of(connections, connection->uid, &oldest);

                if (n > most) {
                        most = n;
                        worst = oldest;
                }
                if (most > PENDING_MAX / 2)
                        break;
        }
        return worst;
}

static void make_room(struct connections *connections, uid_t uid, int64_t now_ns) {
        struct connection *oldest = NULL;
        char more[LOG_RATELIMIT_TEXT];

        if (connections->n_pending >= PENDING_MAX)
                oldest = most_crowded(connections);
        else if (connections->n_pending < PENDING_PER_UID ||
                 pending_of(connections, uid, &oldest) < PENDING_PER_UID ||
                 oldest->deadline_ns - now_ns > PENDING_NS - PENDING_GRACE_NS)
                return;
        if (log_ratelimit_pass(&connections->crowded, now_ns, more))
                log_event(LOG_LEVEL_WARNING, "pending", "uid %u opens connections and says "
                          "nothing: the oldest was closed%s", (unsigned)oldest->uid, more);
        connections_drop(connections, oldest);
}

struct connection *connections_add(struct connections *connections, int fd, int64_t now_ns) {
        struct epoll_event event = { .events = EPOLLIN };
        struct connection *connection;
        struct peer peer;

        if (peer_identify(fd, &peer) < 0 || (connection = calloc(1, sizeof(*connection))) == NULL) {
                close(fd);
                return NULL;
        }
        make_room(connections, peer.uid, now_ns);
        event.data.ptr = connection;
        if (epoll_ctl(connections->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                close(fd);
                free(connection);
                return NULL;
        }
        connection->fd = fd;
        connection->uid = peer.uid;
        connection->state = CONNECTION_PENDING;
        connection->deadline_ns = now_ns + PENDING_NS;
        TAILQ_INSERT_TAIL(&connections->lists[CONNECTION_PENDING], connection, link);
        connections->n_pending++;
        return connection;
}

int connections_adopt(struct connections *connections, struct client *client) {
        struct epoll_event event = { .events = EPOLLIN };
        struct connection *connection = calloc(1, sizeof(*connection));

        if (connection == NULL)
                return -ENOMEM;
        event.data.ptr = connection;
        if (epoll_ctl(connections->epoll_fd, EPOLL_CTL_ADD, client->socket, &event) < 0) {
                int error = errno;

                free(connection);
                return -error;
        }
        connection->fd = client->socket;
        connection->uid = client->uid;
        connection->client = client;
        connection->state = CONNECTION_ATTACHED;
        connection->deadline_ns = INT64_MAX;
        TAILQ_INSERT_TAIL(&connections->lists[CONNECTION_ATTACHED], connection, link);
        connections->changed = true;
        return 0;
}

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

void connections_init(struct connections *connections, struct attach *attach, int epoll_fd) {
        *connections = (struct connections){ .attach = attach, .epoll_fd = epoll_fd };
        for (unsigned state = 0; state < CONNECTION_STATES; state++)
                TAILQ_INIT(&connections->lists[state]);
}

static void leave(struct connections *connections, struct connection *connection) {
        if (connection->client != NULL && connection->client->stored) {
                attach_leave(connections->attach, connection->client);
                connection->client = NULL;
        }
        connections_drop(connections, connection);
}

void connections_close(struct connections *connections) {
        struct connection *connection;

        for (unsigned state = 0; state < CONNECTION_DEAD; state++)
                while ((connection = TAILQ_FIRST(&connections->lists[state])) != NULL)
                        leave(connections, connection);
        connections_reap(connections);
}
