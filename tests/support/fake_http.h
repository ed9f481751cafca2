/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An HTTP server in a thread of the test, on a free port of 127.0.0.1, which answers
 * what the test says, byte by byte: for a gateway that misbehaves.
 */
#include <stddef.h>

struct fake_http;

enum fake_http_manner {
        FAKE_HTTP_ANSWER, /* and the connection goes on */
        FAKE_HTTP_CUT,    /* then the connection is closed */
        FAKE_HTTP_HANG,   /* the request is read, nothing is said */
};

#define FAKE_HTTP_TLS "tls" /* the path of a client that begins with TLS instead */

struct fake_http *fake_http_new(void);
struct fake_http *fake_http_free(struct fake_http *f);
const char *fake_http_url(const struct fake_http *f);

/* From now on, for requests of that path: status line, headers and body as they are. */
void fake_http_say(struct fake_http *f, const char *path, enum fake_http_manner manner,
                   const char *bytes, size_t size);
/* The same with that status and body, and all headers there should be. */
void fake_http_json(struct fake_http *f, const char *path, int status, const char *body);
/* Once, before what was said last: for a sequence of two. */
void fake_http_first(struct fake_http *f, const char *path, int status, const char *body);

unsigned fake_http_count(struct fake_http *f, const char *path);
/* Headers and body of the last one, malloc'ed; NULL: there was none. */
char *fake_http_last(struct fake_http *f, const char *path);
