/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Puts the daemon together, in the order in which its parts need each other, and takes
 * it apart.
 */
#include "daemon/config/reload.h"
#include "daemon/server/server.h"

/* From a checked configuration to a daemon that listens, its earlier clients taken
 * over; worker IDs are waited for in between. `server` must stay where it is. 0 or -errno,
 * logged, or -ECANCELED: it was told to stop while it waited. server_stop() is due in any
 * case, and after that, where the server is `stuck`, the process must end at once. */
int server_start(struct server *server, struct reload *reload);
/* The fence comes down to what was promised, and the lease is released. */
void server_stop(struct server *server);
/* What a start would refuse, now, as this user; a daemon with the same state directory may
 * run. Changes nothing, and asks no coordinator. 0 or the first -errno, all of them
 * logged. */
int server_check(const struct config *config);
