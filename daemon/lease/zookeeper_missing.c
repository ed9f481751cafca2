/* SPDX-License-Identifier: MIT */
/* What stands for the `zookeeper` backend in a build without its client library. */
#include <errno.h>

#include "daemon/lease/lease.h"
#include "daemon/log.h"

static int zookeeper_open(void **ret_backend, const struct config *config,
                          struct lease_grant *ret) {
        (void)ret_backend, (void)config, (void)ret;
        return log_failure(EINVAL, "zookeeper", "workers.backend=zookeeper: this sfshmd was built "
                           "without ZooKeeper's client library. Build it where libzookeeper-mt-dev "
                           "is installed, with -Dzookeeper=enabled, or use the backend etcd");
}

const struct lease_backend lease_zookeeper = {
        .name = "zookeeper",
        .open = zookeeper_open,
};
