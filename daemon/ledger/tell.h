/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the ledger writes into the history: each change of what a slot holds, and from time to
 * time everything that is live, for readers that came late or lost events. All of it does
 * nothing without a history (ledger_set_history()).
 *
 * A promise is in the journal first, then in the history, then in the client's slot, so no ID
 * exists of which the history does not tell. What is taken back is in the history first: a
 * daemon that is killed before the journal has it tells the longer promise again.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/ledger/history.h"
#include "shm/slot.h"

struct ledger;

void ledger_set_history(struct ledger *ledger, struct history *history);
void ledger_tell_held(const struct ledger *ledger, uint32_t record, unsigned slot,
                      const struct rectangle *r);
/* A daemon begins. `unknown_tick`: IDs up to it may exist of which the ledger does not know. */
void ledger_tell_start(const struct ledger *ledger, bool adopted, uint64_t unknown_tick,
                       uint32_t pid, uint32_t generation);
/* A round begins, which tells all that is live. */
void ledger_tell_round(struct ledger *ledger);
/* Goes on with it, for some records. False: all are told. The round ends with
 * ledger_tell_round_end(). */
bool ledger_tell_more(struct ledger *ledger);
void ledger_tell_round_end(const struct ledger *ledger);
