/* SPDX-License-Identifier: MIT */
#pragma once
/* What only several keys together can show to be wrong with a coordinator. */
#include "daemon/config/assign.h"

bool config_is_coordinated(const struct config *config); /* worker IDs come from one */
/* 0 or -EINVAL, logged; -EINVAL as well for keys of a backend that is not used. */
int config_check_coordinator(const struct config_loader *loader);
