/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The coordinator which the configuration names, for those who look at it or repair
 * it beside the daemon: no state directory is needed, and no lock of one is taken.
 */
#include "daemon/lease/fleet/backend.h"

struct connect {
        const struct fleet_kind *kind; /* NULL: not connected */
        struct lease_counters counters;
        struct fleet_connection connection;
};

/* -EOPNOTSUPP when workers.backend has no coordinator. Logs its errors. `ret` stays
 * where it is until connect_close(), and `config` outlives it. */
int connect_open(struct connect *ret, const struct config *config);
void connect_close(struct connect *connect); /* not connected as well */
