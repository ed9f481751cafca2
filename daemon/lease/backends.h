/* SPDX-License-Identifier: MIT */
#pragma once
/* The backends there are, by the names that workers.backend has for them. */
#include "daemon/lease/fleet/backend.h"
#include "daemon/lease/lease.h"

/* Opens the lease with the backend of the configuration. Logs its errors. */
int backends_lease_new(struct lease **ret, const struct config *config);

/* The coordinator of the configuration; NULL where the backend has none. */
const struct fleet_kind *backends_coordinator(const struct config *config);
