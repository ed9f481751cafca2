/* SPDX-License-Identifier: MIT */
#pragma once
/* Checks that need several keys of a coordinator together. */
#include "daemon/config/assign.h"

bool config_is_coordinated(const struct config *config); /* worker IDs come from one */
/* Also refuses keys of a backend that is not used. Logs its errors. */
int config_check_coordinator(const struct config_loader *loader);
