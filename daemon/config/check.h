/* SPDX-License-Identifier: MIT */
#pragma once
#include "daemon/config/assign.h"

/* Checks that need several keys together. Logs its errors. */
int config_check(const struct config_loader *loader);
