/* SPDX-License-Identifier: MIT */
#pragma once
/* Values as text, and descriptions of the values that a key allows. */
#include <stddef.h>

#include "daemon/config/config.h"
#include "daemon/config/keys.h"

/* "a whole number from 1 to 65536" */
void config_value_allowed(const struct config_key *key, char *ret, size_t size);

/* The value as a file may state it: equal texts are equal values. For a rule's key, all
 * rules of its kind. */
int config_value_text(const struct config *config, const struct config_key *key, char **ret);
