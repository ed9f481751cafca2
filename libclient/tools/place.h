/* SPDX-License-Identifier: MIT */
#pragma once
/* Where the daemon is, as both tools take it from --socket and --shm. */

/* `given`, or else $SFSHM_SOCKET, or else the default. */
const char *place_socket(const char *given);

/* A non-blocking connection to the socket at `path`, or -errno. Never waits. */
int place_connect(const char *path);

/* Whether it can be a daemon.shm: 0, or 1 after saying what it may be. */
int place_check_shm(const char *shm);
