/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The service manager's descriptor store. It holds, under the name client-ID, the
 * socket, the grants page and the cursors page of each client; a daemon that is
 * started anew gets them back (daemon/host/listen_fds.h) and goes on with the very same
 * clients (daemon/server/fdstore_restore.h).
 *
 * Stored are clients which have been attached for a second: one-shot clients are
 * none of the manager's business. All of it is best effort. A client that is not
 * in the store attaches anew, as without a store.
 *
 * Ledger thread only. Nothing here blocks: sd_pid_notify_with_fds() would, for as
 * long as the manager leaves its queue full, and meanwhile no reservation would
 * be extended. So the datagrams are sent here; what does not go now goes later.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/client/client.h"

struct fdstore;

/* 0 and *ret NULL when there is no store ($NOTIFY_SOCKET is not set); every
 * function takes NULL for it. */
int fdstore_new(struct fdstore **ret);
/* Sends what it can of what is to be removed. */
struct fdstore *fdstore_free(struct fdstore *store);

/* The client has its WELCOME: stored when it is a second old. True: its grants
 * page's descriptor is needed until then, and closed here. */
bool fdstore_keep(struct fdstore *store, struct client *client);
/* The client ends. */
void fdstore_forget(struct fdstore *store, struct client *client);
/* All descriptors of that name. */
void fdstore_remove(struct fdstore *store, const char *name);

/* Stores and removes what is due. Returns when it is due again, on CLOCK_BOOTTIME;
 * INT64_MAX: not before something happens. */
int64_t fdstore_run(struct fdstore *store, int64_t now_ns);
