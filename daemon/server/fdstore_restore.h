/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Adopts the clients that an earlier daemon put into the descriptor store:
 * same connection, same pages, same lanes, and what they hold is extended. They notice
 * nothing. Called once, before any client attaches.
 *
 * A client is adopted if its three descriptors are what they should be, its pages
 * fit together, and the ledger knows its lanes; so not when the ledger or the clock is
 * new (startup/segments.c). Anything else under a client's name is shut down, closed
 * and removed from the store: that client attaches anew.
 */
#include <stdbool.h>

#include "daemon/host/listen_fds.h"
#include "daemon/server/connection.h"

/* `adopted`: the ledger is an earlier daemon's. */
void fdstore_restore(struct connections *connections, const struct listen_fds *passed, bool adopted,
                     uint64_t now_tick);
