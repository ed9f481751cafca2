/* SPDX-License-Identifier: MIT */
#include "daemon/lease/backends.h"

#include <errno.h>
#include <string.h>

#include "daemon/lease/etcd/calls.h"
#include "daemon/lease/local.h"
#include "daemon/lease/zookeeper/calls.h"
#include "daemon/util/log.h"

static const struct fleet_kind *const coordinators[] = { &fleet_kind_etcd, &fleet_kind_zookeeper };

const struct fleet_kind *backends_coordinator(const struct config *config) {
        for (size_t i = 0; i < sizeof(coordinators) / sizeof(coordinators[0]); i++)
                if (strcmp(coordinators[i]->name, config->backend) == 0)
                        return coordinators[i];
        return NULL;
}

int backends_lease_new(struct lease **ret, const struct config *config) {
        const struct fleet_kind *coordinator = backends_coordinator(config);

        if (coordinator != NULL)
                return lease_new(ret, &fleet_backend, coordinator, config);
        if (strcmp(config->backend, "local") == 0)
                return lease_new(ret, &lease_local, NULL, config);
        return log_failure(EINVAL, EVENT_LEASE,
                           "workers.backend=%s: there is no such backend; use local, etcd or "
                           "zookeeper", config->backend);
}
