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

struct heritage {
        struct heritage_record *records; /* by client and lane */
        size_t n;
};

int heritage_init(struct heritage *ret, const struct ledger_segment *segment); /* or -ENOMEM */
void heritage_fini(struct heritage *heritage);

/* How many lanes the client has in the journal; 0 unless they are 0, 1, 2 …,
 * each once. *ret_first: where the record of lane 0 is, for heritage_record(). */
uint32_t heritage_lanes(const struct heritage *heritage, uint64_t client, size_t *ret_first);
/* The journal's record of the lane `first + lane`. */
uint32_t heritage_record(const struct heritage *heritage, size_t at);

/* Empties a slot of the journal whose writer died: it is odd. */
void heritage_clear(struct slot *slot);
/*
 * Makes the client's slot say what the journal's says of all ticks from now on.
 * -EBADMSG, and nothing is written, when no kill of a daemon leaves the two like
 * that: the slot promises what the journal does not know.
 */
int heritage_mend(const struct slot *journal, struct slot *client, uint64_t now_tick);
