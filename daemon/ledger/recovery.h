/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a daemon inherits from one that died in the same boot: which records of
 * the journal are whose, and how a client's slot is brought up to the journal's
 * when the dead one stopped between the two (rule 4).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/ledger.h"

struct recovery {
        struct recovery_record *records; /* by client and lane */
        size_t n;
};

int recovery_init(struct recovery *ret, const struct ledger_segment *segment); /* or -ENOMEM */
void recovery_fini(struct recovery *recovery);

/* How many lanes the client has in the journal; 0 unless they are 0, 1, 2 …,
 * each once. *ret_first: where the record of lane 0 is, for recovery_record(). */
uint32_t recovery_lanes(const struct recovery *recovery, uint64_t client, size_t *ret_first);
/* The journal's record of the lane `first + lane`. */
uint32_t recovery_record(const struct recovery *recovery, size_t at);

/* Empties a slot of the journal whose writer died: it is odd. */
void recovery_clear_slot(struct slot *slot);
/*
 * Makes the client's slot say what the journal's says of all ticks from now on.
 * -EBADMSG, and nothing is written, when no kill of a daemon leaves the two like
 * that: the slot promises what the journal does not know.
 */
int recovery_repair_slot(const struct slot *journal, struct slot *client, uint64_t now_tick);
