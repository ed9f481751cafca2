/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The random number which the state directory shares with its ledger; see
 * daemon/startup/segments.h. Errors are logged.
 */
#include <stdint.h>

#define LEDGER_ID_SIZE 16

/* -ENOENT, silent, when there is none. */
int ledger_id_read(const char *state_dir, uint8_t ret[LEDGER_ID_SIZE]);
/* Draws a new one. */
int ledger_id_renew(const char *state_dir, uint8_t ret[LEDGER_ID_SIZE]);
/* From now on no ledger belongs to this state directory. */
int ledger_id_forget(const char *state_dir);
