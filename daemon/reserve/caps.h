/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the lanes of one uid, and of one of its cgroups, may hold together: the caps, and
 * the share of all lanes that one uid may have. More connections gain nothing.
 */
#include <stdint.h>

#include "daemon/ledger/gone.h"
#include "daemon/reserve/grants.h"

#define CAPS_TEXT 256u

/* What clients that are gone hold at `tick` or later, for one that attaches or has attached. */
struct ledger_gone caps_gone(const struct grants *grants, const struct client *client,
                             uint64_t tick);

/* May this client, which is not in the list yet, attach? 0, or -EDQUOT and in `text` a
 * sentence that names the limit. */
int caps_admit(const struct grants *grants, const struct client *client, char text[CAPS_TEXT]);

/* The most positions that a standing reservation of the lane may have; UINT64_MAX without
 * a cap. 0: the other lanes hold all of the cap, until the next plan. Under a cap they are
 * as narrow as in a run of that many positions, so that there is room for more of them. */
uint64_t caps_standing(const struct grants *grants, const struct client *client,
                       const struct client_lane *lane);
