/* SPDX-License-Identifier: MIT */
#pragma once
/* One message of a client's socket in or out, never blocking. */
#include <stddef.h>

#include "shm/wire.h"

/* Takes one message. 0; -EAGAIN: none there; -ECONNRESET: the peer is gone;
 * -EPROTO: too long, not a message, or with descriptors (which are closed). */
int message_receive(int socket, union wire_message *ret);

/* As long as its header says. 0; -EAGAIN: the peer does not take it; or -errno. */
int message_send(int socket, union wire_message *message, const int *fds, size_t n_fds);

/* Asks the kernel to refuse descriptors sent to this socket, where it can. */
void message_refuse_descriptors(int socket);
