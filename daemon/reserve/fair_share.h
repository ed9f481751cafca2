/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Turns clients into the planner's tree. Accounts (uid, then cgroup) decide who shares
 * with whom, so that more connections gain nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/client/client.h"

/* A lane in a round of planning: a busy one, or an idle one under a cap. */
struct bidder {
        struct client *client;
        struct client_lane *lane; /* out: lane->planned */
        uint32_t held;  /* the width it has now; 0: nothing */
        uint32_t keeps; /* the width it already has in the time that is planned: it
                         * counts against the caps, and nothing is planned; 0: plan it */
        uint32_t standing; /* its standing reservation, which counts as well */
        /* under a cap: what clients of its uid and cgroup that are gone hold in that time */
        uint64_t gone_uid, gone_cgroup;
};

/* The caps of uid and cgroup (IDs per second) as positions per tick. */
uint64_t fair_share_uid_cap(const struct account *account);
uint64_t fair_share_cgroup_cap(const struct account *account);
bool fair_share_capped(const struct account *account);

/* Reorders the bidders and divides the positions among those that keep nothing.
 * 0, -EINVAL or -ENOMEM. */
int fair_share_plan(struct bidder *bidders, size_t n, uint64_t positions, uint64_t period_ticks);
