/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All that a coordinator was ever told of who has which worker IDs, looked at again:
 * at every revision each worker ID was in one record at most, and no fence of a worker ID
 * fell but in a clean stop. Fails the test otherwise.
 */
#include <stdint.h>

struct history;

struct history *history_new(void);
/* Writes of one revision, one after the other; then those of the next. A `value` of NULL:
 * the key was deleted. Keys other than hosts' records are passed over. */
void history_take(struct history *h, int64_t revision, const char *key, const char *value);
/* Looks at the last revision as well, and says how much it was. */
struct history *history_end(struct history *h, const char *coordinator);
