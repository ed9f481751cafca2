/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Messages to the service manager which never block: its queue is short, and the
 * ledger thread has clients. What must arrive (READY=1 and the like) goes by
 * sd_notify(3). Ledger thread only.
 */
#include <stdbool.h>
#include <stddef.h>

#define NOTIFY_FDS_MAX 4u

/* Is there a service manager that listens ($NOTIFY_SOCKET)? */
bool notify_wanted(void);

/* One message, with descriptors. 0 also when nobody listens; -EAGAIN: the
 * manager's queue is full; or -errno. */
int notify_send(const char *text, const int *fds, size_t n_fds);
