/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All that was ever promised in a history, told from the clients' pages, and all IDs
 * that were taken: U1, U2, U3.
 */
#include <stdbool.h>
#include <stdint.h>

#include "shm/slot.h"

void promises_begin(void);
/* A daemon without the ledger of those before it: it begins above all of them. */
void promises_new_owner(void);
/* Nobody holds any of that. */
bool promises_free(const struct rectangle *r);
/* Of that rectangle, whoever holds it uses nothing from `end` on. */
void promises_withdraw(const struct rectangle *r, uint64_t end);
/* All positions of the rectangle are taken at that tick. */
void promises_take(const struct rectangle *r, uint64_t tick);
/* The daemon has read the clock. What it had withdrawn by then, threads that sleep may have
 * found valid, and use in the next tick at most. */
void promises_look(uint64_t tick);
