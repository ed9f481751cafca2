/* SPDX-License-Identifier: MIT */
#pragma once
/* The list of calls.h. */
#include "daemon/lease/fleet/coordinator.h"

/* As coordinator.h; -EAGAIN: what is listed moved all the time. */
int zookeeper_list(void *coordinator, const char *prefix, struct coordinator_list *ret);
