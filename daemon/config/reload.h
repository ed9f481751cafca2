/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The configuration is read again from where it came from. The table of keys
 * (keys.c) says which keys may change in a running daemon. A file that is wrong, or
 * in which any other key differs, changes nothing. Ledger thread only: no other
 * thread may read keys that can change.
 */
#include "daemon/config/config.h"

struct reload {
        struct config *config; /* in force; the same object for the daemon's life */
        const char *path;      /* --config; NULL: the default file */
        char *const *sets;     /* --set; NULL-terminated */
};

/* Takes over what can change. 0, or -errno after logging each reason: then
 * reload->config is as it was. -EBUSY: another key differs. Whoever holds a copy of
 * a key that changed is the caller's to tell. */
int reload_config(struct reload *reload);
