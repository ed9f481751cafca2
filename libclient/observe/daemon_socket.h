/* SPDX-License-Identifier: MIT */
#pragma once
/* The daemon's socket: its path, and the messages that the tools send by themselves. */
#include <stdbool.h>
#include <sys/socket.h>

#include "shm/wire.h"

#define DAEMON_SOCKET_DEFAULT "/run/sfshm/sfshm.sock"

/* `given`, or else $SFSHM_SOCKET unless that is empty, or else the default. */
const char *daemon_socket_path(const char *given);

/*
 * Asks the daemon at `path` to do something: sends a message of `type` and waits 5 s
 * at most for the ANSWER, whose text is safe to print. Returns 0 whatever the answer
 * is; -ECONNRESET: the daemon closed the connection without one, as an older daemon
 * does that does not know the type; -ETIMEDOUT; -EPROTO: it is no answer; -errno of
 * connecting.
 */
int daemon_socket_ask(const char *path, enum wire_type type, struct wire_answer *ret);

/*
 * Sends QUERY to the daemon at `path`. Returns 0; -ECONNRESET: it refused, or closed the
 * connection, as an older daemon does, and one that has no descriptor left; -ETIMEDOUT: no answer within
 * DAEMON_SOCKET_QUERY_MS; -EPROTO: it is no STATUS; -errno of connecting. *ret_peer is who
 * listens; its pid is 0 if nobody does.
 */
#define DAEMON_SOCKET_QUERY_MS 2000
int daemon_socket_query(const char *path, struct wire_status *ret, struct ucred *ret_peer);

/* Asks the daemon at `path` for a fresh snapshot, without ever waiting. Returns a
 * descriptor to keep open until the snapshot is there, or -errno. */
int daemon_socket_refresh(const char *path);

#define DAEMON_SOCKET_TEXT 400
/*
 * Why the daemon at `path` refuses the library, or does not understand it: sends a
 * HELLO and describes what is wrong with the answer, with both versions. False, and
 * nothing in `text`, when nothing is. Waits for a second at most.
 */
bool daemon_socket_explain(const char *path, char text[DAEMON_SOCKET_TEXT]);
