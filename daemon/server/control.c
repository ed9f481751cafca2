/* SPDX-License-Identifier: MIT */
#include "daemon/server/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static bool may_control(int socket, const struct peer *peer) {
        return peer->uid == 0 || peer->uid == geteuid() || peer_in_group(socket, peer, getegid());
}

static int control_decide(struct control *control, int socket, const struct peer *peer,
                          char text[TIMEKEEPER_TEXT]) {
        if (may_control(socket, peer))
                return timekeeper_accept(control->timekeeper, text);
        snprintf(text, TIMEKEEPER_TEXT, "uid %u may not accept the clock: only root, uid %u (which "
                 "sfshmd runs as) and members of group %u (its own) may; run it with sudo, or join "
                 "that group", (unsigned)peer->uid, (unsigned)geteuid(), (unsigned)getegid());
        return -EPERM;
}

/* Strangers cannot fill the log. What an operator did is always logged. */
static void control_log(struct control *control, const struct peer *peer, int error,
                        const char *text, int64_t now_ns) {
        char more[LOG_RATELIMIT_TEXT] = "";

        if (error == -EPERM && !log_ratelimit_pass(&control->refused, now_ns, more))
                return;
        log_event(error == 0 ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, "clock-accept",
                  "uid %u (pid %d) asked to accept the wall clock: %s%s", (unsigned)peer->uid,
                  (int)peer->pid, text, more);
}

int control_accept(struct control *control, int socket, const struct peer *peer, int64_t now_ns,
                   struct wire_answer *ret) {
        char text[TIMEKEEPER_TEXT];
        int r = control_decide(control, socket, peer, text);

        control_log(control, peer, r, text, now_ns);
        *ret = (struct wire_answer){ .header = wire_header_of(WIRE_ANSWER, WIRE_VERSION),
                                     .error = -r };
        snprintf(ret->text, sizeof(ret->text), "%.*s", (int)sizeof(ret->text) - 1, text);
        return r;
}
