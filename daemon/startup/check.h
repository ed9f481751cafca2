/* SPDX-License-Identifier: MIT */
#pragma once
#include "daemon/config/config.h"

/* Would a start refuse the group, the state directory, the names of the segments, or worker
 * IDs that another daemon holds? Changes nothing. 0 or the first -errno, all of them
 * logged. */
int startup_check(const struct config *config);
