/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * This machine and its configuration in the terms of the fence file, and how they compare
 * with a fence file that was found.
 */
#include <stdbool.h>

#include "daemon/config/config.h"
#include "daemon/lease/state/fence_file.h"

/* As ids_machine(); logs an error other than -ENOENT. */
int identity_machine(uint8_t ret[16]);

/* Machine ID, layout, epoch and workers; no fence. Logs its errors. */
int identity_describe(struct fence_state *ret, const struct config *config);

bool identity_same_machine(const struct fence_state *a, const struct fence_state *b);

/* IDs of another layout or epoch could be equal to ours: -EINVAL, logged. */
int identity_check_space(const char *place, const struct fence_state *found,
                         const struct fence_state *host);
