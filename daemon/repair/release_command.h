/* SPDX-License-Identifier: MIT */
#pragma once
/* What workers_release.h does, as commands: they say to whom, ask, and say what was done. */
#include <stdbool.h>

#include "daemon/repair/workers_task.h"

/* sfshmd --workers --release, with or without --above. */
int release_command(struct workers_task *task, const struct workers_request *request);
/* sfshmd --fence-above: all worker IDs of the region that are refused get that fence. */
int release_command_fence(struct workers_task *task, const char *above, bool force,
                          bool *ret_repaired);
