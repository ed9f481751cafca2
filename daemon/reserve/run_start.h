/* SPDX-License-Identifier: MIT */
#pragma once
/* Which part of the lease's run a daemon begins with. Pure but for the log. */
#include "daemon/config/config.h"
#include "daemon/lease/lease.h"

/* -ERANGE, logged: more positions than a host can use. */
int run_check(const struct config *config, const struct lease_grant *granted);
/* Worker IDs the run may ever have. */
uint32_t run_most(const struct config *config, const struct lease_grant *granted);
/*
 * How many it begins with: as many as the adopted ledger was used for, `adopted`, if they
 * are still ours: of these it knows all promises, and others' fences have passed. 0: it
 * is a new one, and the clock above all fences; then workers.count. See growth.h.
 */
uint32_t run_at_start(const struct config *config, const struct lease_grant *granted,
                      uint32_t adopted);
