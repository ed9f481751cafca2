/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The descriptors which the service manager passed at the start: listening
 * sockets, and those of clients which an earlier daemon had put into the
 * descriptor store (daemon/server/fdstore.h), told apart by their names. Nothing is
 * known of what they are: that is looked at by whoever takes them.
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
        int *fds;     /* listening ones first, then the clients' */
        char **names; /* of the clients' */
        size_t n_listening;
        struct listen_fds_client *clients;
        size_t n_clients;
};

/* Takes them, all close-on-exec, and forgets the environment. 0 also when there
 * are none. Logs its errors. */
int listen_fds_take(struct listen_fds *ret);
/* Frees the lists; the descriptors stay open. */
void listen_fds_free(struct listen_fds *passed);

/* The number in "client-NUMBER", written as the daemon writes it; 0: it is none. */
uint64_t listen_fds_client_id(const char *name);
