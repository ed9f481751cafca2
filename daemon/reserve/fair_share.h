/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * From clients to the planner's tree: who shares with whom is by the accounts
 * (uid, then cgroup), so that more connections buy nothing.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/client/client.h"

/* A busy lane, or an idle one of somebody with a cap, in a round of planning. */
struct bidder {
        struct client *client;
        struct client_lane *lane; /* lane->planned: out */
        uint32_t held;  /* width of what it has at present; 0: nothing */
        uint32_t keeps; /* of what it has in the time planned for already: counts
                         * against the caps, nothing is planned; 0: plan it */
        uint32_t standing; /* what stands for it anyway counts, too */
};

/* The caps (IDs per second) of uid and cgroup as positions per tick. */
uint64_t fair_share_uid_cap(const struct account *account);
uint64_t fair_share_cgroup_cap(const struct account *account);
bool fair_share_capped(const struct account *account);

/* Reorders the bidders; divides the positions among those that keep nothing.
 * 0, -EINVAL or -ENOMEM. */
int fair_share_plan(struct bidder *bidders, size_t n, uint64_t positions, uint64_t period_ticks);
