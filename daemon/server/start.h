/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Puts the daemon together, in the order in which its parts need each other, and takes
 * it apart.
 */
#include "daemon/config/reload.h"
#include "daemon/server/server.h"

/* From a checked configuration to a daemon that listens, its earlier clients taken
 * over. `server` must stay where it is. 0 or -errno, logged; server_stop() is due in
 * either case. */
int server_start(struct server *server, struct reload *reload);
/* The fence comes down to what was promised, and the lease is released. */
void server_stop(struct server *server);
/* What a start would refuse, now, as this user; a daemon with the same state directory may
 * run. Changes nothing, and asks no coordinator. 0 or the first -errno, all of them
 * logged. */
int server_check(const struct config *config);
