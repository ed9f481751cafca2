/* SPDX-License-Identifier: MIT */
#pragma once
/* A private sfshm-exporter, and an HTTP client for one request each. */
#include <stddef.h>
#include <sys/types.h>

#include "tests/support/private_daemon.h"

#define EXPORTER_REPLY_MAX (1u << 20)

struct exporter {
        pid_t pid;
        unsigned port;     /* of 127.0.0.1; 0: it has a socket of the file system */
        char socket[108]; /* as long as a path can be */
};

struct exporter_reply {
        size_t size;
        int status; /* 0: the answer is none of HTTP */
        const char *body;
        char text[EXPORTER_REPLY_MAX];
};

/* Starts it for the daemon and waits until it listens; at a port of its own, or at
 * unix:SOCKET if the path is not "". */
void exporter_start(struct exporter *e, const struct private_daemon *d, const char *socket);
/* SIGTERM, if it runs; it must end with 0. */
void exporter_stop(struct exporter *e);

/* A connection, or -1 if it is refused. */
int exporter_connect(const struct exporter *e);
/* Sends the request as it is and reads to the end. */
void exporter_say(const struct exporter *e, const void *request, size_t size,
                  struct exporter_reply *ret);
void exporter_get(const struct exporter *e, const char *path, struct exporter_reply *ret);
