/* SPDX-License-Identifier: MIT */
#include "daemon/server/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "daemon/server/message.h"
#include "daemon/server/peer.h"
#include "daemon/clock/timekeeper.h"

static bool may_control(int socket, const struct peer *peer) {
        return peer->uid == 0 || peer->uid == geteuid() || peer_in_group(socket, getegid());
}

static int decide(struct connections *connections, const struct connection *connection,
                  const struct peer *peer, char text[TIMEKEEPER_TEXT]) {
        if (may_control(connection->fd, peer))
                return timekeeper_accept(&connections->attach->keeper, text);
        snprintf(text, TIMEKEEPER_TEXT, "uid %u may not accept the clock: only root, uid %u (which "
                 "sfshmd runs as) and members of group %u (its own) may; run it with sudo, or join "
                 "that group", (unsigned)peer->uid, (unsigned)geteuid(), (unsigned)getegid());
        return -EPERM;
}

/* Strangers cannot fill the log; what an operator did is always in it. */
static void report(struct connections *connections, const struct peer *peer, int error,
                   const char *text, int64_t now_ns) {
        char more[LOG_RATELIMIT_TEXT] = "";

        if (error == -EPERM && !log_ratelimit_pass(&connections->refused, now_ns, more))
                return;
        log_event(error == 0 ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, "clock-accept",
                  "uid %u (pid %d) asked to accept the wall clock: %s%s", (unsigned)peer->uid,
                  (int)peer->pid, text, more);
}

int control_accept(struct connections *connections, struct connection *connection,
                   int64_t now_ns) {
        union wire_message message = { .answer = { .error = 0 } };
        char text[TIMEKEEPER_TEXT];
        struct peer peer;
        int r = peer_identify(connection->fd, &peer);

        if (r == 0) {
                message.header = wire_header_of(WIRE_ANSWER, WIRE_VERSION);
                r = decide(connections, connection, &peer, text);
                message.answer.error = -r;
                snprintf(message.answer.text, sizeof(message.answer.text), "%.*s",
                         (int)sizeof(message.answer.text) - 1, text);
                report(connections, &peer, r, text, now_ns);
                /* a peer that does not take its answer is dropped as well */
                (void)packet_send(connection->fd, &message, NULL, 0);
        }
        connections_drop(connections, connection);
        return r;
}
