/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The number which the state directory and the ledger it belongs to share; see
 * daemon/startup/segments.h. Errors are logged.
 */
#include <stdint.h>

#define LINEAGE_SIZE 16

/* -ENOENT, silent, when there is none. */
int lineage_read(const char *state_dir, uint8_t ret[LINEAGE_SIZE]);
/* Makes a new one. */
int lineage_renew(const char *state_dir, uint8_t ret[LINEAGE_SIZE]);
/* From now on no ledger belongs to this state directory. */
int lineage_forget(const char *state_dir);
