/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The `local` backend: the worker IDs stand in the configuration, the fence in
 * a file of the state directory. A lock in that directory keeps a second daemon
 * out. Nothing here protects against two hosts configured with the same IDs.
 */
#include "daemon/lease/backend.h"

extern const struct lease_backend lease_local;
