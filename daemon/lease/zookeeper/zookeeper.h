/* SPDX-License-Identifier: MIT */
#pragma once
/* The backend `zookeeper`: worker IDs and their fences among many hosts, in ZooKeeper. */
#include "daemon/lease/fleet/backend.h"

extern const struct fleet_kind fleet_kind_zookeeper; /* refuses where it was not built */
