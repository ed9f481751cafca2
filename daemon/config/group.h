/* SPDX-License-Identifier: MIT */
#pragma once
#include <sys/types.h>

#include "daemon/config/config.h"

/* The group that daemon.socket_group names; (gid_t)-1 when it names none. Logs its errors. */
int config_group(const struct config *config, gid_t *ret);
