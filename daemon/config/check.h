/* SPDX-License-Identifier: MIT */
#pragma once
#include "daemon/config/assign.h"

/* What no key can say alone. Logs its errors. */
int config_check(const struct config_loader *loader);
