/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an operator may tell the running daemon over its socket, and who may: root, the
 * daemon's own uid, and members of the daemon's group. Ledger thread only.
 */
#include "daemon/clock/timekeeper.h"
#include "daemon/server/peer.h"
#include "shm/wire.h"

/* ACCEPT from the peer at `socket`: checks who asks, follows the wall clock, logs it.
 * *ret is the ANSWER; its error is the result, 0 or -errno, made positive. */
int control_accept(struct timekeeper *timekeeper, int socket, const struct peer *peer,
                   struct wire_answer *ret);
/* Likewise from anybody, while there is no clock yet: it waits for worker IDs, `why`. */
void control_refuse(const char *why, struct wire_answer *ret);
