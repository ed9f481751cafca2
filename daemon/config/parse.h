/* SPDX-License-Identifier: MIT */
#pragma once
/* From text to values. Pure. */
#include "daemon/config/config.h"
#include "daemon/config/keys.h"

#define CONFIG_ROLLBACKS (GUARD_FAIL + 1)
extern const char *const config_rollback_names[CONFIG_ROLLBACKS];

/* Reads `text` into the field of `key`, which is no rule: -EINVAL when it is not allowed. */
int config_value_set(struct config *config, const struct config_key *key, const char *text);
