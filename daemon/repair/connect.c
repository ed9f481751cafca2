/* SPDX-License-Identifier: MIT */
#include "daemon/repair/connect.h"

#include <errno.h>

#include "daemon/lease/backends.h"
#include "daemon/util/log.h"

int connect_open(struct connect *ret, const struct config *config) {
        int r;

        *ret = (struct connect){ .kind = backends_coordinator(config) };
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
