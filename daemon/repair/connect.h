/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The coordinator of the configuration, for commands that read or repair it beside the
 * daemon: they need no state directory, and take no lock of one.
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
