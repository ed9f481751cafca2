/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Messages to the service manager that never block: its queue is short, and the ledger
 * thread must serve clients. What must arrive, such as READY=1, is sent again later.
 * Ledger thread only.
 */
#include <stdbool.h>
#include <stddef.h>

#define NOTIFY_FDS_MAX 4u

/* Does a service manager listen ($NOTIFY_SOCKET)? */
bool notify_wanted(void);

/* Sends one message with descriptors. 0 also without a service manager; -EAGAIN: the
 * manager's queue is full; or -errno. */
int notify_send(const char *text, const int *fds, size_t n_fds);
