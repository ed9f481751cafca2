/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Passes TCP connections on to a server, in a thread of the test; or is what stands
 * between a client and a server that is away. Counts requests and attempts.
 */
#include <stddef.h>
#include <stdint.h>

struct relay;

enum relay_manner {
        RELAY_PASS,
        RELAY_HANG,   /* connections are taken, and never anything comes of them */
        RELAY_REFUSE, /* all connections are reset, new ones at once */
};

/* To `url`, "http://127.0.0.1:PORT"; has a URL of that form of its own. */
struct relay *relay_new(const char *url, enum relay_manner manner);
struct relay *relay_free(struct relay *relay);
const char *relay_url(const struct relay *relay);
void relay_set(struct relay *relay, enum relay_manner manner);

/* How often it was asked in that time of CLOCK_MONOTONIC: HTTP requests that were
 * passed on, or what the client said at once in another protocol; connections that
 * were not passed on. */
size_t relay_count(struct relay *relay, int64_t from_ns, int64_t to_ns);
