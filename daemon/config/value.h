/* SPDX-License-Identifier: MIT */
#pragma once
/* Values of single keys, to and from text, and what a key allows. Pure. */
#include <stddef.h>

#include "daemon/config/config.h"
#include "daemon/config/keys.h"

/* Reads `text` into the field of `key`, which is no rule: -EINVAL when it is not allowed. */
int config_value_set(struct config *config, const struct config_key *key, const char *text);

/* The value as a file may state it: equal texts are equal values. For a rule's key, all
 * rules of its kind. */
int config_value_text(const struct config *config, const struct config_key *key, char **ret);

/* "a whole number from 1 to 65536" */
void config_value_allowed(const struct config_key *key, char *ret, size_t size);
/* What is wrong with a value that is not allowed, where that is known: ": a has no port"; or "". */
void config_value_fault(const struct config_key *key, const char *text, char *ret, size_t size);
