/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The clients which the daemon before had put into the descriptor store go on
 * with this one: same connection, same pages, same lanes, and what they hold is
 * extended. They notice nothing. Once, before anybody else attaches.
 *
 * Taken over is a client whose three descriptors are what they should be, whose
 * pages fit together, and whose lanes the ledger knows; so not when the ledger is
 * new, or the clock (startup/segments.c). Whatever else is under a client's name is shut
 * down, closed and removed from the store: its client attaches anew.
 */
#include "daemon/server/connection.h"

void takeover(struct connections *connections, uint64_t now_tick);
