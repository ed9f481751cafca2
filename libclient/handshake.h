/* SPDX-License-Identifier: MIT */
#pragma once
/* Connects, sends HELLO and takes WELCOME, in steps that do not block. */
#include <stdint.h>

#include "libclient/attachment.h"

/*
 * Sets *ret_socket to a non-blocking socket that is connected to `address` and on which
 * HELLO was sent. -EAGAIN: the daemon's backlog is full, try again; -ENAMETOOLONG;
 * -ENOENT, -ECONNREFUSED, -EACCES, ...: as connect(2).
 */
int handshake_begin(const char *address, uint32_t lanes, int *ret_socket);

/*
 * Takes the answer if it has arrived: a new attachment, which then owns the socket. On
 * failure the socket stays the caller's. `begun_boot_ns` is CLOCK_BOOTTIME before HELLO.
 * The daemon's own reading must lie between it and now; otherwise this process is in
 * another time namespace. -EAGAIN: not yet; -ECONNRESET: the daemon hung up; -EDQUOT,
 * -ENOSPC, ...: the daemon refused for that reason; -ENOBUFS: it has no descriptors or memory
 * left; -EPROTO.
 */
int handshake_finish(int socket, int64_t begun_boot_ns, struct attachment_space *space,
                     struct attachment **ret);
