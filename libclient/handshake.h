/* SPDX-License-Identifier: MIT */
#pragma once
/* Connect, HELLO, WELCOME, in steps that do not block. */
#include <stdint.h>

#include "libclient/attachment.h"

/*
 * A non-blocking socket connected to `address` on which HELLO was sent.
 * -EAGAIN: the daemon's backlog is full, try again; -ENOENT, -ECONNREFUSED,
 * -EACCES, ...: as connect(2); -ENAMETOOLONG.
 */
int handshake_begin(const char *address, uint32_t lanes, int *ret_socket);

/*
 * Takes the answer, if it is there: a new attachment, which owns the socket
 * then; on failure the socket stays the caller's. `begun_boot_ns` is
 * CLOCK_BOOTTIME before HELLO: the daemon's own reading must lie between it and
 * now, or this process is in another time namespace. -EAGAIN: not yet;
 * -ECONNRESET: the daemon hung up; the daemon's reason when it refuses (-EDQUOT,
 * -ENOSPC, ...); -EPROTO.
 */
int handshake_finish(int socket, int64_t begun_boot_ns, struct attachment **ret);
