/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * SIGHUP: the configuration is read anew from where it came from. Which keys can
 * change in a running daemon stands in their table (config_table.c). A file that
 * is wrong, or one in which any other key differs, changes nothing at all. Ledger
 * thread only: the other threads must not look at keys that can change.
 */
#include "daemon/client/account.h"
#include "daemon/config/config.h"
#include "daemon/reserve/reserve.h"

struct reload {
        struct config *config; /* in force; the same object for the daemon's life */
        const char *path;      /* --config; NULL: the default file */
        char *const *sets;     /* --set; NULL-terminated */
        bool refused;          /* the last time: the status says so */
};

/* Takes over what can change. 0, or -errno after logging each reason: then
 * reload->config is as it was. -EBUSY: something else differs. */
int reload_config(struct reload *reload);

/* ... and gives it to those who have copies, telling systemd. */
void reload_run(struct reload *reload, struct accounts *accounts, struct reserve *reserve);
