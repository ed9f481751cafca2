/* SPDX-License-Identifier: MIT */
#pragma once
/* The backend `etcd`: worker IDs and their fences among many hosts, in etcd. */
#include "daemon/lease/fleet/backend.h"

extern const struct fleet_kind fleet_kind_etcd;
