/* SPDX-License-Identifier: MIT */
/* The backend `zookeeper` where it was built without ZooKeeper's library. */
#include <errno.h>

#include "daemon/lease/fleet/backend.h"
#include "daemon/util/log.h"

static int connect_to(const struct config *config, struct lease_counters *counters,
                      struct fleet_connection *ret) {
        (void)config, (void)counters, (void)ret;
        return log_failure(EINVAL, "zookeeper", "workers.backend = zookeeper: this sfshmd was built "
                           "without ZooKeeper's client library. Build it where libzookeeper-mt-dev "
                           "is installed, with -Dzookeeper=enabled, or use the backend etcd");
}

static void disconnect(struct fleet_connection *connection) {
        (void)connection;
}

const struct fleet_kind fleet_kind_zookeeper = {
        .name = "zookeeper",
        .connect = connect_to,
        .disconnect = disconnect,
};

static int zookeeper_open(void **ret_backend, const struct config *config,
                          struct lease_grant *ret) {
        struct fleet_connection connection = { .place = NULL };

        (void)ret_backend, (void)ret;
        return connect_to(config, NULL, &connection);
}

/* the rest is never called */
const struct lease_backend lease_zookeeper = { .name = "zookeeper", .open = zookeeper_open };
