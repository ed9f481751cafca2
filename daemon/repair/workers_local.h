/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The run of this host where no coordinator assigns worker IDs: the range of the
 * configuration, the daemon of this host that has it, and the fence. Changes nothing, and
 * takes no lock, so it never disturbs a daemon that starts.
 */
#include <stdbool.h>
#include <stdio.h>

#include "daemon/config/config.h"

/* Text, or one JSON object on one line. 0, or -errno after logging why not. */
int workers_local_list(FILE *out, const struct config *config, bool json);
