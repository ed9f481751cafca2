/* SPDX-License-Identifier: MIT */
#include "daemon/server/protocol.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/server/control.h"
#include "daemon/util/log.h"
#include "daemon/server/message.h"
#include "daemon/util/time.h"

#define HELD_NS (4 * NS_PER_S) /* the library waits for 5 s */
#define THROTTLE_NS (NS_PER_S / 10)
#define HINT_NS (NS_PER_S / 200)     /* what a hint costs: 200 a second ... */
#define HINT_BURST_NS (NS_PER_S / 4) /* ... and 50 at once */
#define POKE_NS (NS_PER_S / 20)      /* snapshots for sfshm-stat: 20 a second */

static void drop_broken(struct connections *connections, struct connection *connection,
                        int64_t now_ns) {
        char more[LOG_RATELIMIT_TEXT];

        /* relaxed: a number to look at */
        atomic_fetch_add_explicit(&connections->attach->parts->inputs->protocol_errors, 1,
                                  memory_order_relaxed);
        if (log_ratelimit_pass(&connections->broken, now_ns, more))
                log_event(LOG_LEVEL_WARNING, "protocol", "a connection of uid %u was closed: it "
                          "sent what is no message of this protocol, or not in its place%s",
                          (unsigned)connection->uid, more);
        connections_drop(connections, connection);
}

static void refuse(struct connections *connections, struct connection *connection,
                   const struct attach_refusal *refusal, int64_t now_ns) {
        char more[LOG_RATELIMIT_TEXT];

        if (log_ratelimit_pass(&connections->refused, now_ns, more))
                log_event(LOG_LEVEL_WARNING, "refused", "a client of uid %u was refused: %s%s",
                          (unsigned)connection->uid, refusal->text, more);
        /* a peer that does not take its refusal is dropped as well */
        (void)attach_send_refusal(connections->attach, connection->fd, refusal);
        connections_drop(connections, connection);
}

static void listen_for(struct connections *connections, struct connection *connection,
                       uint32_t events) {
        struct epoll_event event = { .events = events, .data.ptr = connection };

        if (epoll_ctl(connections->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event) < 0)
                connections_drop(connections, connection);
}

static void welcome(struct connections *connections, struct connection *connection) {
        if (attach_send_welcome(connections->attach, connection->client, connection->version) < 0)
                connections_drop(connections, connection);
        else
                connections_move(connections, connection, CONNECTION_ATTACHED, INT64_MAX);
}

/* Why the clock keeps IDs back; `resume_ns`: until when, INT64_MAX unknown. */
static void refuse_for_clock(struct connections *connections, struct connection *connection,
                             int64_t resume_ns, int64_t now_ns) {
        int64_t wait_ms = resume_ns == INT64_MAX ? 1000 : (resume_ns - now_ns) / NS_PER_MS + 1;
        struct attach_refusal refusal;
        char text[TIMEKEEPER_TEXT];

        if (wait_ms < 1)
                wait_ms = 1;
        attach_refuse(&refusal, ETIME, wait_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)wait_ms, "%s",
                      timekeeper_text(&connections->attach->keeper, text));
        refuse(connections, connection, &refusal, now_ns);
}

/* A HELLO that is held, or has just come. */
static void try_attach(struct connections *connections, struct connection *connection,
                       int64_t now_ns) {
        const struct timekeeper *keeper = &connections->attach->keeper;
        struct attach_refusal refusal;
        int64_t resume_ns;
        int r;

        if (!timekeeper_ready(keeper, &resume_ns)) {
                if (resume_ns > connection->deadline_ns)
                        refuse_for_clock(connections, connection, resume_ns, now_ns);
                return;
        }
        r = attach_new(connections->attach, connection->fd, &connection->hello,
                       timekeeper_tick(keeper, now_ns), &connection->client, &refusal);
        if (r < 0 && r != -EAGAIN) {
                refuse(connections, connection, &refusal, now_ns);
                return;
        }
        connections->changed = true;
        if (r == 0)
                welcome(connections, connection);
}

static void handle_hello(struct connections *connections, struct connection *connection,
                         const struct wire_hello *hello, int64_t now_ns) {
        struct attach_refusal refusal;

        if (wire_agree(hello, &connection->version) < 0) {
                attach_refuse(&refusal, EPROTO, 0, "the library speaks versions %u to %u of the "
                              "protocol, this daemon %u to %u: install matching releases",
                              hello->version_min, hello->version_max, WIRE_VERSION_MIN,
                              WIRE_VERSION);
                refuse(connections, connection, &refusal, now_ns);
                return;
        }
        connection->hello = *hello;
        connections_move(connections, connection, CONNECTION_HELD, now_ns + HELD_NS);
        try_attach(connections, connection, now_ns);
        if (connection->state == CONNECTION_HELD)
                listen_for(connections, connection, 0);
}

static void handle_want(struct connections *connections, struct connection *connection,
                        const struct wire_want *want, int64_t now_ns) {
        const struct server_parts *parts = connections->attach->parts;
        int64_t resume_ns;

        if (connection->hint_ns < now_ns)
                connection->hint_ns = now_ns;
        connection->hint_ns += HINT_NS;
        if (connection->hint_ns - now_ns > HINT_BURST_NS) {
                /* left in its queue: whoever floods waits for himself */
                connections_move(connections, connection, CONNECTION_THROTTLED, now_ns + THROTTLE_NS);
                listen_for(connections, connection, 0);
                return;
        }
        /* relaxed: a number to look at */
        atomic_fetch_add_explicit(&parts->inputs->hints, 1, memory_order_relaxed);
        if (!timekeeper_ready(&connections->attach->keeper, &resume_ns))
                return;
        reserve_want(connections->attach->reserve, connection->client, want->lane, want->count,
                     timekeeper_tick(&connections->attach->keeper, now_ns));
        connections->changed = true;
}

static void handle_refresh(struct connections *connections, struct connection *connection,
                           int64_t now_ns) {
        if (now_ns - connections->poked_ns >= POKE_NS) {
                connections->poked_ns = now_ns;
                statistics_poke(connections->attach->parts->statistics);
        }
        connections_drop(connections, connection);
}

static void handle_message(struct connections *connections, struct connection *connection,
                           const union wire_message *message, int64_t now_ns) {
        bool pending = connection->state == CONNECTION_PENDING;
        uint16_t type = message->header.type;

        if (pending && type == WIRE_HELLO)
                handle_hello(connections, connection, &message->hello, now_ns);
        else if (pending && type == WIRE_REFRESH)
                handle_refresh(connections, connection, now_ns);
        else if (pending && type == WIRE_ACCEPT)
                (void)control_accept(connections, connection, now_ns);
        else if (connection->state == CONNECTION_ATTACHED && type == WIRE_WANT &&
                 message->want.lane < connection->client->n_lanes)
                handle_want(connections, connection, &message->want, now_ns);
        else
                drop_broken(connections, connection, now_ns);
}

void conversation_handle(struct connections *connections, struct connection *connection,
                        uint32_t events, int64_t now_ns) {
        union wire_message message;
        int r;

        if (connection->state == CONNECTION_DEAD)
                return;
        if (connection->state == CONNECTION_THROTTLED || connection->state == CONNECTION_HELD) {
                if ((events & (EPOLLHUP | EPOLLERR)) != 0)
                        connections_drop(connections, connection);
                return;
        }
        r = packet_receive(connection->fd, &message);
        if (r == 0)
                handle_message(connections, connection, &message, now_ns);
        else if (r == -EPROTO)
                drop_broken(connections, connection, now_ns);
        else if (r != -EAGAIN || (events & (EPOLLHUP | EPOLLERR)) != 0)
                connections_drop(connections, connection);
}

void conversation_welcome(struct connections *connections, int64_t now_ns) {
        const struct timekeeper *keeper = &connections->attach->keeper;
        struct connection *connection = TAILQ_FIRST(&connections->lists[CONNECTION_HELD]), *next;
        uint64_t now_tick = timekeeper_tick(keeper, now_ns);
        int64_t resume_ns;

        for (; connection != NULL; connection = next) {
                next = TAILQ_NEXT(connection, link);
                if (connection->client == NULL)
                        try_attach(connections, connection, now_ns);
                else if (reserve_ready(connections->attach->reserve, connection->client, now_tick))
                        welcome(connections, connection);
                else if (!timekeeper_ready(keeper, &resume_ns) &&
                         resume_ns > connection->deadline_ns)
                        refuse_for_clock(connections, connection, resume_ns, now_ns);
                if (connection->state == CONNECTION_ATTACHED)
                        listen_for(connections, connection, EPOLLIN);
        }
}

/* Held for HELD_NS: neither the clock nor a reservation came. It may have come within
 * this round, after a wait for the fence: that has to be raised first. */
static void refuse_held(struct connections *connections, struct connection *connection,
                        int64_t now_ns) {
        const struct timekeeper *keeper = &connections->attach->keeper;
        const struct fence *fence = connections->attach->parts->fence;
        char text[FENCE_REFUSAL_TEXT];
        uint32_t retry_ms;
        struct attach_refusal refusal;
        int64_t resume_ns;

        if (!timekeeper_ready(keeper, &resume_ns)) {
                refuse_for_clock(connections, connection, resume_ns, now_ns);
                return;
        }
        if (fence_refusal(fence, timekeeper_tick(keeper, now_ns), text, &retry_ms))
                attach_refuse(&refusal, ETIME, retry_ms, "%s", text);
        else if (connections->changed)
                /* the fence rose within this round, after the grants: the next one makes them */
                attach_refuse(&refusal, ETIME, 1, "no reservation: the fence has just been raised");
        else
                attach_refuse(&refusal, ENOSPC, 1000, "no position became free in time: close idle "
                              "clients or raise workers.count");
        refuse(connections, connection, &refusal, now_ns);
}

static void expire_one(struct connections *connections, struct connection *connection,
                       int64_t now_ns) {
        switch (connection->state) {
        case CONNECTION_HELD:
                refuse_held(connections, connection, now_ns);
                break;
        case CONNECTION_THROTTLED:
                connections_move(connections, connection, CONNECTION_ATTACHED, INT64_MAX);
                listen_for(connections, connection, EPOLLIN);
                break;
        default:
                connections_drop(connections, connection);
        }
}

void conversation_expire(struct connections *connections, int64_t now_ns) {
        for (unsigned state = 0; state < CONNECTION_DEAD; state++) {
                struct connection *connection;

                while ((connection = TAILQ_FIRST(&connections->lists[state])) != NULL &&
                       connection->deadline_ns <= now_ns)
                        expire_one(connections, connection, now_ns);
        }
}
