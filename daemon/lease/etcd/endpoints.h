/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The members of an etcd cluster that requests go to, each with a circuit breaker: after a
 * failure no request is sent there for a while, longer each time. Each kind of failure is
 * logged once for each endpoint, until it serves again.
 */
#include <stddef.h>
#include <stdint.h>

#include "daemon/config/addresses.h"

#define ETCD_FAILURES_TOLD 4u

struct etcd_endpoint {
        char url[ADDRESS_LENGTH_MAX + 1]; /* without a slash at its end */
        int64_t open_ns;  /* no request before, CLOCK_MONOTONIC */
        int64_t pause_ns; /* the last pause; 0: it works */
        uint32_t told[ETCD_FAILURES_TOLD]; /* kinds of failure that were logged */
        size_t n_told;
};

struct etcd_endpoints {
        struct etcd_endpoint list[ADDRESSES_MAX];
        size_t n, current;
};

/* `text` has passed addresses_check_urls(). The first one to be asked is drawn. */
void etcd_endpoints_take(struct etcd_endpoints *endpoints, const char *text);

/* The first one with a closed breaker, from the current one on; else the one whose breaker
 * closes first. */
size_t etcd_endpoints_choose(const struct etcd_endpoints *endpoints, int64_t now_ns);
/* Opens its breaker; the next endpoint becomes the current one. */
void etcd_endpoints_trip(struct etcd_endpoints *endpoints, size_t at, int64_t now_ns);
/* `kind`: a number for the kind of failure; `message`: what happened. */
void etcd_endpoints_tell(struct etcd_endpoints *endpoints, size_t at, uint32_t kind,
                         const char *message);
/* Makes it the current one, and closes its breaker. */
void etcd_endpoints_serves(struct etcd_endpoints *endpoints, size_t at);
/* How many have an open breaker. */
size_t etcd_endpoints_left_out(const struct etcd_endpoints *endpoints);
