/* SPDX-License-Identifier: MIT */
#pragma once
/* Weights and caps: keys that name a uid or a cgroup. */
#include "daemon/config/config.h"
#include "daemon/config/keys.h"

/* The rule `name` = "weights.uid.1000" or "caps.cgroup./x.slice": -EINVAL when it or
 * `text` is not allowed. */
int config_rule_set(struct config *config, const struct config_key *key, const char *name,
                    const char *text);
