/* SPDX-License-Identifier: MIT */
#pragma once
/* The HTTP side: requests, and those among them that wait for a sample. One request for each
 * connection. */
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#include "libclient/exporter/door.h"
#include "libclient/exporter/history.h"
#include "libclient/exporter/sampler.h"

struct http {
        struct MHD_Daemon *daemon;
        struct door door;
        struct sampler *sampler;
        struct sample sample; /* the newest */
        int64_t taken_ns;     /* when it arrived; INT64_MIN: never */
        struct history history;
        int64_t looked_ns; /* when somebody asked for the page; INT64_MIN: never */
        struct MHD_Connection *waiting[DOOR_PLACES];
        unsigned n_waiting;
};

/* 0, or -errno. */
int http_begin(struct http *ret, struct sampler *sampler);
void http_end(struct http *http);

/* Takes the sample that is ready, and answers those that waited for it. */
void http_collect(struct http *http);
/* Reads and writes what can be without waiting. Returns for how long nothing is to be done, in
 * ms. */
int http_run(struct http *http);
/* Readable when there is something to do. */
int http_fd(const struct http *http);

int64_t http_now_ns(void);
