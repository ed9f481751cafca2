/* SPDX-License-Identifier: MIT */
#pragma once
/* The sockets on which the exporter listens: its own, or those that systemd passed. */

#define LISTEN_DEFAULT "127.0.0.1:9463"
#define LISTEN_MAX 8

struct listen {
        int fds[LISTEN_MAX]; /* non-blocking, close-on-exec */
        unsigned n;
        const char *path; /* of a socket of its own in the file system, or NULL */
};

/* `address` is what --listen gave, or NULL: then the sockets of systemd (LISTEN_FDS), or
 * LISTEN_DEFAULT. Returns 0, or the exit status after a message. */
int listen_open(struct listen *ret, const char *address);
void listen_close(struct listen *listen);
