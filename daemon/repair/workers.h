/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * sfshmd --workers: who has which worker IDs, and how the operator frees those of dead
 * hosts. It asks the coordinator of the configuration, whether a daemon runs or not.
 * Without a coordinator it shows the run of this host.
 */
#include <stdbool.h>

#include "daemon/repair/workers_task.h"

/* 0, or -errno after logging why not. */
int workers_command(const struct config *config, const struct workers_request *request);

/* sfshmd --fence-above with a coordinator: all worker IDs of the region that are
 * refused for want of a fence get that one; were there any? */
int workers_fence_above(const struct config *config, const char *above, bool force,
                        bool *ret_repaired);

/* Can the coordinator be reached, and is this its configuration? 0 without a coordinator.
 * Changes nothing. 0 or -errno, logged. */
int workers_check(const struct config *config);
