/* SPDX-License-Identifier: MIT */
#include "daemon/server/protocol.h"

#include <errno.h>
#include <sys/epoll.h>

#include "daemon/server/message.h"
#include "daemon/util/time.h"
#include "shm/probe.h"

#define HINT_NS (NS_PER_S / 200)     /* what a hint costs: 200 a second ... */
#define HINT_BURST_NS (NS_PER_S / 4) /* ... and 50 at once */

/* ---- answers that end a connection: whether the peer takes them or not */

static enum connection_state protocol_drop(struct protocol *protocol,
                                           const struct connection *connection) {
        protocol->totals.errors++;
        log_event_throttled(WITH(EVENT_PROTOCOL, FIELD(UID, connection->peer.uid),
                                 FIELD(PID, connection->peer.pid)),
                            "a connection of uid %u was closed: it "
                            "sent something that is not a message of this protocol, or not "
                            "allowed at that point", (unsigned)connection->peer.uid);
        return CONNECTION_DEAD;
}

static enum refusal_kind refusal_kind(uint32_t error) {
        switch (error) {
        case EDQUOT:
                return REFUSAL_LIMIT;
        case ENOSPC:
                return REFUSAL_POSITIONS;
        case EPROTO:
                return REFUSAL_VERSION;
        case ETIME:
                return REFUSAL_CLOCK;
        default:
                return REFUSAL_RESOURCES;
        }
}

static enum connection_state protocol_refuse(struct protocol *protocol,
                                             const struct connection *connection,
                                             union wire_message *refusal) {
        protocol->totals.refusals[refusal_kind(refusal->refused.error)]++;
        log_event_throttled(WITH(EVENT_REFUSED, FIELD(UID, connection->peer.uid),
                                 FIELD(PID, connection->peer.pid)),
                            "a client of uid %u was refused: %s",
                            (unsigned)connection->peer.uid, refusal->refused.text);
        PROBE3(refuse, connection->peer.uid, connection->peer.pid, refusal->refused.error);
        (void)message_send(connection->source.fd, refusal, NULL, 0);
        return CONNECTION_DEAD;
}

/* The clock holds IDs back, until `resume_ns`; INT64_MAX: not known. */
static enum connection_state protocol_refuse_for_clock(struct protocol *protocol,
                                                       const struct connection *connection,
                                                       int64_t resume_ns, int64_t now_ns) {
        int64_t wait_ms = resume_ns == INT64_MAX ? 1000 : (resume_ns - now_ns) / NS_PER_MS + 1;
        union wire_message refusal;
        char text[TIMEKEEPER_TEXT];

        if (wait_ms < 1)
                wait_ms = 1;
        clients_refuse(&refusal.refused, ETIME,
                       wait_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)wait_ms, "%s",
                       timekeeper_text(protocol->timekeeper, text));
        return protocol_refuse(protocol, connection, &refusal);
}

static enum connection_state protocol_refuse_for_workers(struct protocol *protocol,
                                                         const struct connection *connection) {
        union wire_message refusal;

        clients_refuse(&refusal.refused, ETIME, 1000, "sfshmd waits for worker IDs: %s",
                       protocol->wait->text);
        return protocol_refuse(protocol, connection, &refusal);
}

/* ---- HELLO */

/* No more wait than there may be clients, so that descriptors are left for others. */
static bool protocol_may_hold(const struct protocol *protocol,
                              const struct connection *connection) {
        return connection->state == CONNECTION_HELD ||
               protocol->connections->n_held < protocol->announcer.config->max_clients;
}

static enum connection_state protocol_send_welcome(struct protocol *protocol,
                                                   const struct connection *connection) {
        return clients_welcome(protocol->clients, connection->client, connection->version) < 0
                       ? CONNECTION_DEAD : CONNECTION_ATTACHED;
}

/* For a HELLO that has just come, or is held. It is held until `held_ns` at most. */
static enum connection_state protocol_attach(struct protocol *protocol,
                                             struct connection *connection, int64_t held_ns,
                                             int64_t now_ns) {
        union wire_message refusal;
        uint64_t now_tick;
        int64_t resume_ns;
        int r;

        if (protocol->wait != NULL)
                return protocol_may_hold(protocol, connection) ? CONNECTION_HELD :
                       protocol_refuse_for_workers(protocol, connection);
        now_tick = guard_tick(protocol->timekeeper->guard, now_ns);
        if (!timekeeper_ready(protocol->timekeeper, &resume_ns))
                return resume_ns <= held_ns && protocol_may_hold(protocol, connection) ?
                       CONNECTION_HELD :
                       protocol_refuse_for_clock(protocol, connection, resume_ns, now_ns);
        r = clients_attach(protocol->clients, connection->source.fd, &connection->peer,
                           connection->n_lanes, now_tick, &connection->client, &refusal.refused);
        /* who closes one handle and opens the next may come before the end of the first */
        if (r == CLIENTS_E_REFUSED &&
            (refusal.refused.error == EDQUOT || refusal.refused.error == ENOSPC) &&
            connections_sweep(protocol->connections))
                r = clients_attach(protocol->clients, connection->source.fd, &connection->peer,
                                   connection->n_lanes, now_tick, &connection->client,
                                   &refusal.refused);
        if (r == CLIENTS_E_REFUSED)
                return protocol_refuse(protocol, connection, &refusal);
        return r == CLIENTS_E_WAITING ? CONNECTION_HELD
                                      : protocol_send_welcome(protocol, connection);
}

static enum connection_state handle_hello(struct protocol *protocol, struct connection *connection,
                                          const struct wire_hello *hello, int64_t now_ns) {
        union wire_message refusal;
        uint16_t version;

        if (wire_agree(hello, &version) < 0) {
                clients_refuse(&refusal.refused, EPROTO, 0, "the library speaks versions %u to %u "
                               "of the protocol, this daemon %u to %u: install matching releases",
                               hello->version_min, hello->version_max, WIRE_VERSION_MIN,
                               WIRE_VERSION);
                return protocol_refuse(protocol, connection, &refusal);
        }
        connection->version = version;
        connection->n_lanes = hello->lanes;
        return protocol_attach(protocol, connection, now_ns + CONNECTION_HELD_NS, now_ns);
}

/* ---- the other messages */

static enum connection_state handle_want(struct protocol *protocol, struct connection *connection,
                                         const struct wire_want *want, int64_t now_ns) {
        int64_t resume_ns;

        if (connection->hint_ns < now_ns)
                connection->hint_ns = now_ns;
        connection->hint_ns += HINT_NS;
        /* further hints stay in its queue: a flood delays only its sender */
        if (connection->hint_ns - now_ns > HINT_BURST_NS)
                return CONNECTION_THROTTLED;
        protocol->totals.hints++;
        if (timekeeper_ready(protocol->timekeeper, &resume_ns))
                clients_want(protocol->clients, connection->client, want->lane, want->count,
                             guard_tick(protocol->timekeeper->guard, now_ns));
        return CONNECTION_ATTACHED;
}

static enum connection_state handle_accept(struct protocol *protocol,
                                           const struct connection *connection) {
        union wire_message message;

        if (protocol->wait != NULL)
                control_refuse(protocol->wait->text, &message.answer);
        else
                (void)control_accept(protocol->timekeeper, connection->source.fd,
                                     &connection->peer, &message.answer);
        (void)message_send(connection->source.fd, &message, NULL, 0);
        return CONNECTION_DEAD;
}

static enum connection_state handle_query(struct protocol *protocol,
                                          const struct connection *connection, int64_t now_ns) {
        union wire_message message;

        if (protocol->wait != NULL)
                announce_wait(&protocol->announcer, protocol->wait->reason, now_ns,
                              &message.status);
        else
                announce_status(&protocol->announcer, now_ns, &message.status);
        (void)message_send(connection->source.fd, &message, NULL, 0);
        return CONNECTION_DEAD;
}

static enum connection_state handle_message(struct protocol *protocol,
                                            struct connection *connection,
                                            const union wire_message *message, int64_t now_ns) {
        bool pending = connection->state == CONNECTION_PENDING;
        uint16_t type = message->header.type;

        if (pending && type == WIRE_HELLO)
                return handle_hello(protocol, connection, &message->hello, now_ns);
        if (pending && type == WIRE_ACCEPT)
                return handle_accept(protocol, connection);
        if (pending && type == WIRE_QUERY)
                return handle_query(protocol, connection, now_ns);
        if (pending && type == WIRE_REFRESH) {
                protocol->refresh = true;
                return CONNECTION_DEAD;
        }
        if (!pending && type == WIRE_WANT && message->want.lane < connection->client->n_lanes)
                return handle_want(protocol, connection, &message->want, now_ns);
        return protocol_drop(protocol, connection);
}

enum connection_state protocol_receive(void *context, struct connection *connection,
                                       uint32_t events, int64_t now_ns) {
        struct protocol *protocol = context;
        bool gone = (events & (EPOLLHUP | EPOLLERR)) != 0;
        union wire_message message;
        int r;

        if (connection->state == CONNECTION_THROTTLED || connection->state == CONNECTION_HELD)
                return gone ? CONNECTION_DEAD : connection->state;
        r = message_receive(connection->source.fd, &message);
        if (r == 0)
                return handle_message(protocol, connection, &message, now_ns);
        if (r == -EPROTO)
                return protocol_drop(protocol, connection);
        return r == -EAGAIN && !gone ? connection->state : CONNECTION_DEAD;
}

/* ---- clients that wait */

static enum connection_state protocol_retry_held(struct protocol *protocol,
                                                 struct connection *connection,
                                                 int64_t now_ns) {
        int64_t resume_ns;

        if (connection->client == NULL)
                return protocol_attach(protocol, connection, connection->deadline_ns, now_ns);
        if (reserve_ready(protocol->clients->reserve, connection->client,
                          guard_tick(protocol->timekeeper->guard, now_ns)))
                return protocol_send_welcome(protocol, connection);
        if (!timekeeper_ready(protocol->timekeeper, &resume_ns) &&
            resume_ns > connection->deadline_ns)
                return protocol_refuse_for_clock(protocol, connection, resume_ns, now_ns);
        return CONNECTION_HELD;
}

void protocol_welcome(struct protocol *protocol, int64_t now_ns) {
        struct connection *connection, *next;

        for (connection = TAILQ_FIRST(&protocol->connections->lists[CONNECTION_HELD]);
             connection != NULL; connection = next) {
                next = TAILQ_NEXT(connection, link);
                connection_become(connection, protocol_retry_held(protocol, connection, now_ns),
                                  now_ns);
        }
}

/* It was held for the longest time allowed. The clock may have become ready within this round,
 * after a wait for the fence: then the fence must be raised first. */
static enum connection_state protocol_refuse_held(struct protocol *protocol,
                                                  const struct connection *connection,
                                                  int64_t now_ns) {
        union wire_message refusal;
        char text[FENCE_REFUSAL_TEXT];
        uint32_t retry_ms;
        int64_t resume_ns;

        if (protocol->wait != NULL)
                return protocol_refuse_for_workers(protocol, connection);
        if (!timekeeper_ready(protocol->timekeeper, &resume_ns))
                return protocol_refuse_for_clock(protocol, connection, resume_ns, now_ns);
        if (fence_refusal(protocol->fence, guard_tick(protocol->timekeeper->guard, now_ns),
                          text, &retry_ms))
                clients_refuse(&refusal.refused, ETIME, retry_ms, "%s", text);
        else
                clients_refuse(&refusal.refused, ENOSPC, 1000, "no position became free in time: "
                               "close idle clients or raise workers.count");
        return protocol_refuse(protocol, connection, &refusal);
}

static enum connection_state protocol_expire_one(struct protocol *protocol,
                                                 const struct connection *connection,
                                                 int64_t now_ns) {
        switch (connection->state) {
        case CONNECTION_HELD:
                return protocol_refuse_held(protocol, connection, now_ns);
        case CONNECTION_THROTTLED:
                return CONNECTION_ATTACHED;
        default:
                return CONNECTION_DEAD;
        }
}

void protocol_expire(struct protocol *protocol, int64_t now_ns) {
        for (unsigned state = 0; state < CONNECTION_DEAD; state++) {
                struct connection *connection;

                while ((connection = TAILQ_FIRST(&protocol->connections->lists[state])) != NULL &&
                       connection->deadline_ns <= now_ns)
                        connection_become(connection,
                                          protocol_expire_one(protocol, connection, now_ns),
                                          now_ns);
        }
}
