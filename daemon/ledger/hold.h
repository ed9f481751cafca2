/* SPDX-License-Identifier: MIT */
#pragma once
/* Which rectangles are taken, and which records of the journal are free. */
#include "daemon/ledger/internal.h"

/* The rectangle is taken until its t1, and the record with it. */
void ledger_hold(struct ledger *ledger, const struct rectangle *r, uint32_t record, uint32_t slot);
/* The record is free if it is neither open nor awaited and none of its rectangles is live. */
void ledger_rest(struct ledger *ledger, uint32_t record);
