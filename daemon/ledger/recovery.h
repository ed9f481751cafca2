/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How a ledger is recovered from a daemon that died in the same boot: which client owns
 * which records of the journal, and how a client's slot is brought up to the journal's if
 * the daemon died between the two (rule 4).
 */
#include <stddef.h>
#include <stdint.h>

#include "shm/ledger.h"

struct recovery {
        struct recovery_record {
                uint64_t client;
                uint32_t lane;
                uint32_t record; /* of the journal */
        } *records; /* by client and lane */
        size_t n;
};

int recovery_init(struct recovery *ret, const struct ledger_segment *segment); /* or -ENOMEM */
void recovery_fini(struct recovery *recovery);

/* How many lanes the client has in the journal; 0 unless they are 0, 1, 2 …, each once.
 * *ret_first is the index of lane 0 in `records`. */
uint32_t recovery_lanes(const struct recovery *recovery, uint64_t client, size_t *ret_first);

/*
 * Makes the client's slot say what the journal's slot says about all ticks from now on.
 * -EBADMSG, and nothing is written, if no kill of a daemon can leave the two like that:
 * then the slot promises what the journal does not know.
 */
int recovery_repair_slot(const struct slot *journal, struct slot *client, uint64_t now_tick);
