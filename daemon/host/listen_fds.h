/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The descriptors that the service manager passed at the start: listening sockets, and
 * those of clients that an earlier daemon put into the descriptor store
 * (daemon/server/fdstore.h). Their names tell them apart. What they are is not checked
 * here: the caller validates them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LISTEN_FDS_CLIENT_PREFIX "client-"
#define LISTEN_FDS_PER_CLIENT 3u /* socket, grants, cursors */

/* All descriptors of one name. */
struct listen_fds_client {
        const char *name;
        const int *fds;
        size_t n_fds;
};

struct listen_fds {
        int *fds;     /* first the listening ones, then those of clients */
        char **names; /* of those of clients */
        size_t n_listening;
        struct listen_fds_client *clients;
        size_t n_clients;
};

/* Takes them, all close-on-exec, and clears the environment. 0 also if there are none.
 * Logs its errors. */
int listen_fds_take(struct listen_fds *ret);
/* Frees the lists; the descriptors stay open. */
void listen_fds_free(struct listen_fds *passed);

/* The number in "client-NUMBER", exactly as the daemon writes it; 0: it is no such name. */
uint64_t listen_fds_client_id(const char *name);
