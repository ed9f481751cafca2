/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The `local` backend: the worker IDs are in the configuration, the fence is in a file
 * of the state directory. A lock in that directory keeps a second daemon out. Nothing
 * here protects against two hosts which are configured with the same worker IDs.
 */
#include "daemon/lease/backend.h"

extern const struct lease_backend lease_local;

/* Would it open? Changes nothing. Logs its errors. */
int local_check(const struct config *config);
