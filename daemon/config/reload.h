/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Reads the configuration again from where it came from. keys.c says which keys may change
 * in a running daemon. A configuration that is wrong, or in which any other key differs,
 * changes nothing. Ledger thread only: no other thread may read keys that can change.
 */
#include "daemon/config/config.h"

struct reload {
        struct config *config; /* in force; the same object for the daemon's life */
        const char *path;      /* --config; NULL: the default file */
        char *const *sets;     /* --set; NULL-terminated */
};

/* Takes the keys that can change into reload->config. On failure logs each reason, leaves
 * reload->config as it was and returns -errno; -EBUSY when another key differs. The caller
 * tells those who hold copies of keys. */
int reload_config(struct reload *reload);
