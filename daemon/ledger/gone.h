/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What clients hold that are gone: this daemon has closed their lanes, but a cursor ahead of
 * the clock made what they hold last (withdraw.h), or an earlier daemon died, and they have
 * not attached again. It runs out by itself, and counts for who had it until then.
 */
#include <stdint.h>

struct ledger;

struct ledger_owner {
        uint32_t uid;
        uint32_t cgroup; /* of its path: account_cgroup_number() */
        uint32_t pid;    /* what an earlier daemon left of this process is not counted: it
                          * attaches again. 0: count it */
};

struct ledger_held {
        uint64_t lanes;     /* records */
        uint64_t positions; /* all of them */
        /* what counts of the half of the run that standing reservations may have: all
         * positions of lanes that this daemon closed, and one for each other lane, which
         * will come back as wide as there is room */
        uint64_t standing;
};

struct ledger_gone {
        struct ledger_held all, uid, cgroup; /* of all, the uid, its cgroup */
};

/* What they hold at `tick` or later. */
struct ledger_gone ledger_gone(struct ledger *ledger, struct ledger_owner owner, uint64_t tick);
/* Records, and how many of them belong to clients that are gone. */
uint32_t ledger_records(const struct ledger *ledger, uint32_t *ret_gone);
/* A lane of that process is opened: it takes the place of one that an earlier daemon left. */
void ledger_succeed(struct ledger *ledger, uint32_t uid, uint32_t pid);
