/* SPDX-License-Identifier: MIT */
#pragma once
/* The listening socket: passed by systemd, or bound here. */
#include <sys/types.h>

#include "daemon/config/config.h"
#include "daemon/host/listen_fds.h"

struct listener {
        int fd;
        int spare;  /* closed for a moment to turn a peer away when descriptors run out */
        char *path; /* where it listens */
        dev_t device;
        ino_t inode; /* of the socket bound at `path`; 0: systemd's, not to be unlinked */
};
#define LISTENER_NONE ((struct listener){ .fd = -1, .spare = -1 })

/* Uses the listening socket that was passed; without one, binds one. Logs its errors. */
int listener_open(struct listener *ret, const struct config *config,
                  const struct listen_fds *passed);
/* Could a socket be bound, and its directory be made? Whether a daemon listens there does not matter. Changes nothing.
 * Logs its errors. */
int listener_check(const struct config *config);
/* Unlinks the socket if it was bound here. */
void listener_close(struct listener *listener);

/* A connected, non-blocking socket. -EAGAIN: nobody is waiting. -EMFILE: no descriptor
 * was left, and one peer was turned away. -ENFILE: not even that was possible; try again
 * later. */
int listener_accept(struct listener *listener);
