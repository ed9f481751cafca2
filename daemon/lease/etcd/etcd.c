/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd/etcd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/lease/etcd/calls.h"
#include "daemon/util/log.h"

#define TIMEOUTS_IN_TTL 6 /* a renewal is at most three requests, and may be tried twice */

static int etcd_connect(const struct config *config, struct lease_counters *counters,
                        struct fleet_connection *ret) {
        const struct etcd_http_options options = {
                .endpoints = config->etcd_endpoints,
                .timeout_ns = config->etcd_ttl_ns / TIMEOUTS_IN_TTL,
                .username = config->etcd_username,
                .password_file = config->etcd_password_file,
                .ca_file = config->etcd_ca_file,
                .cert_file = config->etcd_cert_file,
                .key_file = config->etcd_key_file,
                .errors = &counters->coordinator_errors,
                .breakers = &counters->breakers,
        };
        struct etcd_coordinator *etcd = calloc(1, sizeof(*etcd));

        ret->calls = &etcd_calls;
        ret->coordinator = etcd;
        ret->ttl_ns = config->etcd_ttl_ns;
        if (asprintf(&ret->place, "etcd %s%s", config->etcd_endpoints, config->etcd_prefix) < 0)
                ret->place = NULL; /* undefined after a failure */
        if (etcd == NULL || ret->place == NULL)
                return log_failure(ENOMEM, "etcd", "no memory for the etcd backend");
        etcd->prefix = config->etcd_prefix;
        return etcd_http_new(&etcd->http, &options);
}

static void etcd_disconnect(struct fleet_connection *connection) {
        struct etcd_coordinator *etcd = connection->coordinator;

        if (etcd != NULL)
                etcd_http_free(etcd->http);
        free(etcd);
        free(connection->place);
}

const struct fleet_kind fleet_kind_etcd = {
        .name = "etcd",
        .claim_event = "etcd-claim",
        .access_event = "etcd-access",
        .access_remedy = "correct what the warning before names: etcd.username and "
                         "etcd.password_file, the role there, or the files for TLS",
        .remedy = "check etcd and the network to it; sfshmd retries by itself",
        .connect = etcd_connect,
        .disconnect = etcd_disconnect,
};
