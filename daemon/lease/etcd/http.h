/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Calls of etcd's JSON gateway: POST /v3/... with time-outs of our own, to several
 * endpoints, each with a circuit breaker, so that not every call waits for one that hangs.
 * One thread at a time.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct etcd_http;

struct etcd_http_options {
        const char *endpoints; /* "http://10.0.0.1:2379 http://10.0.0.2:2379" */
        int64_t timeout_ns;    /* of one request */
        const char *username, *password_file, *ca_file, *cert_file, *key_file; /* "": none */
        _Atomic int64_t *errors; /* counted */
        _Atomic int64_t *breakers; /* how many endpoints have an open breaker */
};

/* The strings outlive it. Logs its errors. */
int etcd_http_new(struct etcd_http **ret, const struct etcd_http_options *options);
struct etcd_http *etcd_http_free(struct etcd_http *http);
/* Until then, on CLOCK_MONOTONIC, all requests have ended; 0: no limit but their own. */
void etcd_http_hurry(struct etcd_http *http, int64_t until_ns);
/* The next request reads password, key and certificates anew, as it does after a refusal. */
void etcd_http_refresh(struct etcd_http *http);

/*
 * Takes `request` over. 0 and the answer; -ETIMEDOUT, -EIO: it may have been carried out;
 * -EACCES: nothing was done, since access is denied, or a certificate is missing or not
 * trusted; -EAGAIN: nothing was done, the revision asked for is gone. With `once` it is sent to one endpoint at most; without, as for a request that
 * changes nothing, the other endpoints are tried as well. Failures are logged when they
 * begin and when they end. All answers come from one cluster at a time, see endpoints.h.
 */
int etcd_http_call(struct etcd_http *http, const char *path, json_t *request, bool once,
                   json_t **ret);
