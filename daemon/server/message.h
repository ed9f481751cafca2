/* SPDX-License-Identifier: MIT */
#pragma once
/* Receives and sends one message on a client's socket; never blocks. */
#include <stddef.h>

#include "shm/wire.h"

/* Receives one message. 0. -EAGAIN: there is none. -ECONNRESET: the peer is gone.
 * -EPROTO: it is too long, no message, or came with descriptors, which are closed. */
int message_receive(int socket, union wire_message *ret);

/* Sends as many bytes as its header says. 0 or -errno; -EAGAIN: the peer's queue is
 * full. */
int message_send(int socket, union wire_message *message, const int *fds, size_t n_fds);

/* Asks the kernel to refuse descriptors sent to this socket, where it can. */
void message_refuse_descriptors(int socket);
