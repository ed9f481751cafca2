/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What this machine and its configuration are, as the fence file says it, and
 * how that compares with what is found in one.
 */
#include <stdbool.h>

#include "daemon/config/config.h"
#include "daemon/lease/state/fence_file.h"

/* Machine ID, layout, epoch and workers; no fence. Logs its errors. */
int identity_describe(struct fence_state *ret, const struct config *config);

bool identity_same_machine(const struct fence_state *a, const struct fence_state *b);

/* IDs of another layout or epoch could be equal to ours: -EINVAL, logged. */
int identity_check_space(const char *place, const struct fence_state *found,
                         const struct fence_state *host);
