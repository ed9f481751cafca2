/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The members of an etcd cluster that requests go to, each with a circuit breaker: after a
 * failure no request is sent there for a while, longer each time.
 *
 * What is logged are incidents, of all endpoints together: one line when the first call
 * fails, and one when that call, or a commit, which needs all that etcd can do, succeeds
 * again. In between each other endpoint that fails is named once. A refusal of access is
 * an incident of its own.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config/addresses.h"

#define ETCD_CLUSTER_MAX 24u /* etcd's ID of a cluster, as decimal text */

struct etcd_endpoint {
        char url[ADDRESS_LENGTH_MAX + 1]; /* without a slash at its end */
        int64_t open_ns;  /* no request before, CLOCK_MONOTONIC */
        int64_t pause_ns; /* the last pause; 0: it works */
        bool told;        /* its failure was logged in this incident */
        char cluster[ETCD_CLUSTER_MAX]; /* of its last answer; "": it answered nothing, or never */
};

struct etcd_incident {
        char path[32];    /* of the call that failed; "": there is no incident */
        int64_t begun_ns; /* CLOCK_MONOTONIC */
};

struct etcd_endpoints {
        struct etcd_endpoint list[ADDRESSES_MAX];
        size_t n, current;
        struct etcd_incident away, refused;
        char cluster[ETCD_CLUSTER_MAX]; /* whose answers count; "": not known yet */
};

/* `text` has passed addresses_check_urls(). The first one to be asked is drawn. */
void etcd_endpoints_take(struct etcd_endpoints *endpoints, const char *text);

/* The first one with a closed breaker, from the current one on; else the one whose breaker
 * closes first. */
size_t etcd_endpoints_choose(const struct etcd_endpoints *endpoints, int64_t now_ns);
/* Opens its breaker; the next endpoint becomes the current one. */
void etcd_endpoints_trip(struct etcd_endpoints *endpoints, size_t at, int64_t now_ns);
/* `path` of the call, as "kv/txn"; `message`: what happened. */
void etcd_endpoints_fails(struct etcd_endpoints *endpoints, size_t at, const char *path,
                          const char *message, int64_t now_ns);
/* The endpoint itself works; the next one becomes the current one. */
void etcd_endpoints_refuses(struct etcd_endpoints *endpoints, size_t at, const char *path,
                            const char *message);
/* Makes it the current one, and closes its breaker. */
void etcd_endpoints_serves(struct etcd_endpoints *endpoints, size_t at, const char *path,
                           int64_t now_ns);
/*
 * That endpoint answers, and is of that cluster. True if its answer counts: two clusters at
 * once, as of a wrong address, would give out the same worker IDs twice. Another cluster than
 * before counts as soon as every endpoint has answered that it is of that one, or answers
 * nothing: then the old one is gone.
 */
bool etcd_endpoints_belongs(struct etcd_endpoints *endpoints, size_t at, const char *cluster);
/* How many have an open breaker. */
size_t etcd_endpoints_left_out(const struct etcd_endpoints *endpoints);
