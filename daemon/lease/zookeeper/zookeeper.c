/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/zookeeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/lease/zookeeper/calls.h"
#include "daemon/lease/zookeeper/handle.h"
#include "daemon/lease/zookeeper/session.h"
#include "daemon/util/log.h"

#define TIMEOUTS_IN_TTL 6 /* a renewal is two calls, and may be tried twice */

static int zookeeper_connect(const struct config *config, struct lease_counters *counters,
                             struct fleet_connection *ret) {
        const struct zookeeper_options options = {
                .hosts = config->zookeeper_hosts,
                .ttl_ns = config->zookeeper_ttl_ns,
                .username = config->zookeeper_username,
                .password_file = config->zookeeper_password_file,
                .errors = &counters->coordinator_errors,
        };
        struct zookeeper_coordinator *zookeeper = calloc(1, sizeof(*zookeeper));

        ret->calls = &zookeeper_calls;
        ret->coordinator = zookeeper;
        ret->ttl_ns = config->zookeeper_ttl_ns;
        if (asprintf(&ret->place, "zookeeper %s%s", config->zookeeper_hosts,
                     config->zookeeper_prefix) < 0)
                ret->place = NULL; /* undefined after a failure */
        if (zookeeper == NULL || ret->place == NULL)
                return log_failure(ENOMEM, "zookeeper", "no memory for the zookeeper backend");
        zookeeper->prefix = config->zookeeper_prefix;
        zookeeper->timeout_ns = config->zookeeper_ttl_ns / TIMEOUTS_IN_TTL;
        return zookeeper_session_new(&zookeeper->session, &options);
}

static void zookeeper_disconnect(struct fleet_connection *connection) {
        struct zookeeper_coordinator *zookeeper = connection->coordinator;

        if (zookeeper != NULL)
                zookeeper_session_free(zookeeper->session);
        free(zookeeper);
        free(connection->place);
}

const struct fleet_kind fleet_kind_zookeeper = {
        .name = "zookeeper",
        .claim_event = "zookeeper-claim",
        .access_event = "zookeeper-access",
        .access_remedy = "correct zookeeper.username and zookeeper.password_file, or the ACL of "
                         "its nodes (zkCli: getAcl)",
        .remedy = "check ZooKeeper and the network to it; sfshmd retries by itself",
        .connect = zookeeper_connect,
        .disconnect = zookeeper_disconnect,
};
