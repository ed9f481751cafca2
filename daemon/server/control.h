/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an operator may tell the running daemon over its socket, and who may:
 * root, the daemon's own uid, and members of the daemon's group. Ledger thread
 * only.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/server/connection.h"

/* ACCEPT on a connection of its own: judged, done, answered, logged; then the
 * connection is dropped. 0, or -errno as in the ANSWER. */
int control_accept(struct connections *connections, struct connection *connection, int64_t now_ns);
