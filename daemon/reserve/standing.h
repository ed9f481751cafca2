/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Standing reservations: small, extended as long as the client lives, placed from the top
 * of the run downward. Slots SLOT_STANDING_A and _B.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/reserve/grants.h"
#include "daemon/reserve/caps.h"

/* A standing reservation is extended when less than this is left: with a reserve.standing
 * of 15 s a client holds 10 s to 15 s at any time. */
#define STANDING_LEFT(ticks) ((ticks) / 3 * 2)

/* ... or so long, where nothing is free for longer. */
#define STANDING_BRIEF_TICKS 200u

struct standing {
        uint64_t ticks;         /* reserve.standing */
        uint64_t positions;     /* charged to all attached lanes, at least 1 each */
        uint32_t waiting;       /* lanes without a standing reservation, at the last look */
        char refusal[CAPS_TEXT]; /* the reason, after -EDQUOT */
};

/* Adds the client to the list and grants; errors as of reserve_attach(). The client is not
 * in the list after -ENOSPC, -EDQUOT and -ENOMEM. */
int standing_attach(struct standing *standing, struct grants *grants, struct client *client);
/* The same for a client that keeps what an earlier daemon granted: checks no limit and
 * grants nothing. 0 or -ENOMEM. */
int standing_adopt(struct standing *standing, struct grants *grants, struct client *client);
void standing_detach(struct standing *standing, const struct client *client);
bool standing_ready(const struct grants *grants, const struct client *client);

/* Grants what clients wait for and extends what is due. All then reach `at_least`, so that
 * a plan of elastic reservations up to there sees them all. */
void standing_run(struct standing *standing, struct grants *grants, uint64_t at_least);

/* The clock is about to move forward, see reserve_prepare_step(). What cannot be extended to
 * that tick is granted anew after the step. */
void standing_prepare_step(const struct standing *standing, struct grants *grants,
                           uint64_t to_tick);

/* The daemon is about to stop: extends all reservations to the end of the one that reaches
 * furthest, except those that would overlap another. */
void standing_align_ends(struct grants *grants);

/* When standing_run() is due next; what was due and failed waits until `retry`. */
uint64_t standing_due(const struct standing *standing, const struct grants *grants, uint64_t retry);
