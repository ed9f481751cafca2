/* SPDX-License-Identifier: MIT */
/* The backend `zookeeper` where it was built without ZooKeeper's library. */
#include <errno.h>

#include "daemon/lease/fleet/backend.h"
#include "daemon/lease/zookeeper/calls.h"
#include "daemon/util/log.h"

static int zookeeper_connect(const struct config *config, struct lease_counters *counters,
                             struct fleet_connection *ret) {
        (void)config, (void)counters, (void)ret;
        return log_failure(EINVAL, EVENT_ZOOKEEPER,
                           "workers.backend = zookeeper: this sfshmd was built "
                           "without ZooKeeper's client library. Build it where libzookeeper-mt-dev "
                           "is installed, with -Dzookeeper=enabled, or use the backend etcd");
}

static void zookeeper_disconnect(struct fleet_connection *connection) {
        (void)connection;
}

const struct fleet_kind fleet_kind_zookeeper = {
        .name = "zookeeper",
        .connect = zookeeper_connect,
        .disconnect = zookeeper_disconnect,
};
