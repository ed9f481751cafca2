/* SPDX-License-Identifier: MIT */
#include "daemon/repair/connect.h"

#include <errno.h>
#include <string.h>

#include "daemon/util/log.h"

static const struct fleet_kind *const kinds[] = { &fleet_kind_etcd, &fleet_kind_zookeeper };

static const struct fleet_kind *kind_of(const struct config *config) {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strcmp(kinds[i]->name, config->backend) == 0)
                        return kinds[i];
        return NULL;
}

int connect_open(struct connect *ret, const struct config *config) {
        int r;

        *ret = (struct connect){ .kind = kind_of(config) };
        if (ret->kind == NULL)
                return log_failure(EOPNOTSUPP, "coordinator", "workers.backend = %s has no "
                                   "coordinator: each host has the workers.first of its own "
                                   "configuration, and nobody knows of the others",
                                   config->backend);
        r = ret->kind->connect(config, &ret->counters, &ret->connection);
        if (r < 0)
                connect_close(ret);
        return r;
}

void connect_close(struct connect *connect) {
        if (connect->kind != NULL)
                connect->kind->disconnect(&connect->connection);
        connect->kind = NULL;
}
