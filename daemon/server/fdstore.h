/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The service manager's descriptor store. Under the name client-ID it holds the socket,
 * the grants page and the cursors page of a client. A daemon that is restarted gets them
 * back (host/listen_fds.h) and continues with the same clients (fdstore_restore.h).
 *
 * A client is stored once it has been attached for a second: the manager need not know
 * of one-shot clients. All of it is best effort. A client that is not in the store
 * attaches anew, as it would without a store.
 *
 * Ledger thread only. Nothing here blocks. sd_pid_notify_with_fds() would block while the
 * manager's queue is full, and meanwhile no reservation would be extended. So the
 * datagrams are sent from here, and what cannot be sent now is sent later.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/client/client.h"

struct fdstore;

/* Without a store ($NOTIFY_SOCKET is not set) 0, and *ret is NULL, which every function
 * accepts. */
int fdstore_new(struct fdstore **ret);
/* Sends as many of the pending removals as it can. */
struct fdstore *fdstore_free(struct fdstore *store);

/* The client has got its WELCOME: it is stored when it is a second old. True: the
 * descriptor of its grants page is needed until then, and closed here. */
bool fdstore_keep(struct fdstore *store, struct client *client);
/* The client ends: it is not stored, or removed. */
void fdstore_forget(struct fdstore *store, struct client *client);
/* Removes all descriptors of that name. */
void fdstore_remove(struct fdstore *store, const char *name);

/* Stores and removes what is due. Returns when it is due again, on CLOCK_BOOTTIME;
 * INT64_MAX: not before something happens. */
int64_t fdstore_run(struct fdstore *store, int64_t now_ns);
