/* SPDX-License-Identifier: MIT */
#include "daemon/server/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/util/log.h"

static bool may_control(int socket, const struct peer *peer) {
        return peer->uid == 0 || peer->uid == geteuid() || peer_in_group(socket, peer, getegid());
}

static int control_decide(struct timekeeper *timekeeper, int socket, const struct peer *peer,
                          char text[TIMEKEEPER_TEXT]) {
        if (may_control(socket, peer))
                return timekeeper_accept(timekeeper, text);
        snprintf(text, TIMEKEEPER_TEXT, "uid %u may not accept the clock: only root, uid %u (which "
                 "sfshmd runs as) and members of group %u (its own) may; run it with sudo, or join "
                 "that group", (unsigned)peer->uid, (unsigned)geteuid(), (unsigned)getegid());
        return -EPERM;
}

/* Strangers can neither fill the log nor use up the limit of what an operator did. */
static void control_log(const struct peer *peer, int error, const char *text) {
        static const char sentence[] = "uid %u (pid %d) asked to accept the wall clock: %s";
        const struct log_event event =
                log_at(error == 0 ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING,
                       WITH(EVENT_CLOCK_ACCEPT, FIELD(UID, peer->uid), FIELD(PID, peer->pid)));

        if (error == -EPERM)
                log_event_throttled(event, sentence, (unsigned)peer->uid, (int)peer->pid, text);
        else
                log_event(event, sentence, (unsigned)peer->uid, (int)peer->pid, text);
}

int control_accept(struct timekeeper *timekeeper, int socket, const struct peer *peer,
                   struct wire_answer *ret) {
        char text[TIMEKEEPER_TEXT];
        int r = control_decide(timekeeper, socket, peer, text);

        control_log(peer, r, text);
        *ret = (struct wire_answer){ .header = wire_header_of(WIRE_ANSWER, WIRE_VERSION),
                                     .error = -r };
        snprintf(ret->text, sizeof(ret->text), "%.*s", (int)sizeof(ret->text) - 1, text);
        return r;
}

void control_refuse(const char *why, struct wire_answer *ret) {
        *ret = (struct wire_answer){ .header = wire_header_of(WIRE_ANSWER, WIRE_VERSION),
                                     .error = EBUSY };
        snprintf(ret->text, sizeof(ret->text), "sfshmd waits for worker IDs, and has no clock yet: "
                 "%s", why);
}
