/* SPDX-License-Identifier: MIT */
#pragma once
/* Weights and caps: values for a uid or a cgroup. */
#include <stdio.h>

#include "daemon/config/config.h"
#include "daemon/config/keys.h"

/* The rule `name` = "weights.uid.1000" or "caps.cgroup./x.slice": -EINVAL when it or
 * `text` is not allowed. */
int config_rule_set(struct config *config, const struct config_key *key, const char *name,
                    const char *text);
/* The rules for uids or for cgroups: "uid.1000=4, uid.1001=2". */
void config_rules_put(const struct config_rules *rules, bool of_uids, FILE *stream);
void config_rules_clear(struct config_rules *rules);
