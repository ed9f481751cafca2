/* SPDX-License-Identifier: MIT */
#pragma once
/* The commit of calls.h. */
#include "daemon/lease/fleet/coordinator.h"

/* As coordinator.h. */
int zookeeper_commit(void *coordinator, const struct coordinator_commit *commit);
