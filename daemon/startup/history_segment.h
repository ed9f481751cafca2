/* SPDX-License-Identifier: MIT */
#pragma once
#include "daemon/config/config.h"
#include "daemon/segment/segment.h"
#include "shm/history.h"

/* Adopts the history segment of this boot, or makes a new one. It is readable by the daemon's
 * group. IDs do not depend on it: after a failure, which is logged, it is SEGMENT_NONE. */
void history_segment_open(struct segment *ret, const struct config *config);
