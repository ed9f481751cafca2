/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Standing reservations: small, kept going while the client lives, placed from
 * the top of the run downward. Slots SLOT_STANDING_A and _B.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/reserve/grants.h"
#include "daemon/reserve/caps.h"

#define STANDING_STEP_TICKS 100u   /* the first grant, and each step while young */
#define STANDING_YOUNG_TICKS 1000u /* of age, before it reaches reserve.standing ahead */
/* Who attaches that soon after the start of a daemon which adopted an earlier
 * one's ledger is taken for that one's client: it has shown already that it is
 * no one-shot, and it gives a long reservation up for the new one. */
#define STANDING_ADOPTED_TICKS 5000u

/* A standing reservation is extended when so much of it is left: with 15 s of
 * reserve.standing a client holds 10 s to 15 s at any time. */
#define STANDING_LEFT(ticks) ((ticks) / 3 * 2)

struct standing {
        uint64_t ticks;         /* reserve.standing */
        uint64_t positions;     /* charged to all attached lanes, at least 1 for each */
        uint64_t adopted_until; /* see STANDING_ADOPTED_TICKS; 0: nothing was adopted */
        uint32_t known_lanes;   /* that came before it and are never young; gone ones too */
        uint64_t taken;         /* positions granted anew while elastic ones were planned */
        uint32_t waiting;       /* lanes without a standing reservation, at the last look */
        char refusal[CAPS_TEXT]; /* why, after -EDQUOT */
};

/* Adds the client to the list and grants; errors as reserve_attach(). Not in
 * the list after -ENOSPC, -EDQUOT and -ENOMEM. */
int standing_attach(struct standing *standing, struct grants *grants, struct client *client);
/* The same for a client that goes on with what it was granted by the daemon
 * before: asks for no limit and grants nothing. 0 or -ENOMEM. */
int standing_adopt(struct standing *standing, struct grants *grants, struct client *client);
void standing_detach(struct standing *standing, const struct client *client);
bool standing_ready(const struct grants *grants, const struct client *client);

/* Grants what is waited for and extends what is due; every one then reaches to
 * `at_least`, so that a plan of elastic reservations up to there sees them all. */
void standing_run(struct standing *standing, struct grants *grants, uint64_t at_least);

/* The clock is about to move forward, see reserve_prepare_step(). What cannot be held
 * there is granted anew when it is there. */
void standing_prepare_step(const struct standing *standing, struct grants *grants,
                           uint64_t to_tick);

/* The daemon is about to stop: what is held reaches as far as the furthest does, but
 * for young clients' and what would meet another's place. */
void standing_align_ends(struct grants *grants);

/* When standing_run() is due next; what is due but failed waits for `retry`. */
uint64_t standing_due(const struct standing *standing, const struct grants *grants, uint64_t retry);
