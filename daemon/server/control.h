/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an operator may tell the running daemon over its socket, and who may: root, the
 * daemon's own uid, and members of the daemon's group. Ledger thread only.
 */
#include <stdint.h>

#include "daemon/clock/timekeeper.h"
#include "daemon/server/peer.h"
#include "daemon/util/log.h"
#include "shm/wire.h"

struct control {
        struct timekeeper *timekeeper;
        struct log_ratelimit refused;
};

/* ACCEPT from the peer at `socket`: checks who asks, follows the wall clock, logs it.
 * *ret is the ANSWER; its error is the result, 0 or -errno, made positive. */
int control_accept(struct control *control, int socket, const struct peer *peer, int64_t now_ns,
                   struct wire_answer *ret);
