/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/caps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/ledger/withdraw.h"
#include "daemon/reserve/planner.h"
#include "daemon/reserve/fair_share.h"

struct tally {
        uint64_t positions;
        uint32_t lanes;
};

static uint64_t smaller(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

/* What the lanes in the list hold, without `except`: those of the account's uid, and those
 * of them that are of its cgroup. */
static void count(const struct grants *grants, const struct account *account,
                  const struct client_lane *except,
                  uint32_t (*width)(const struct grants *grants, const struct client_lane *lane),
                  struct tally *ret_uid, struct tally *ret_cgroup) {
        *ret_uid = *ret_cgroup = (struct tally){ .lanes = 0 };
        for (size_t c = 0; c < grants->n_clients; c++) {
                const struct client *client = grants->clients[c];

                if (account_uid(client->account) != account_uid(account))
                        continue;
                for (uint32_t i = 0; i < client->n_lanes; i++) {
                        uint32_t positions = width(grants, &client->lanes[i]);

                        if (&client->lanes[i] == except)
                                continue;
                        ret_uid->lanes++;
                        ret_uid->positions += positions;
                        if (client->account != account)
                                continue;
                        ret_cgroup->lanes++;
                        ret_cgroup->positions += positions;
                }
        }
}

struct ledger_gone caps_gone(const struct grants *grants, const struct client *client,
                             uint64_t tick) {
        struct ledger_owner owner = { .uid = account_uid(client->account),
                                      .cgroup = account_cgroup_number(client->account),
                                      .pid = (uint32_t)client->pid };

        return ledger_gone(grants->ledger, owner, tick);
}

static uint64_t standing_under(uint64_t cap, const struct tally *others) {
        uint32_t run = cap < UINT32_MAX ? (uint32_t)cap : UINT32_MAX;

        if (cap == UINT64_MAX)
                return UINT64_MAX;
        if (others->positions >= cap)
                return 0;
        return smaller(planner_standing(run, others->lanes + 1), cap - others->positions);
}

uint64_t caps_standing(const struct grants *grants, const struct client *client,
                       const struct client_lane *lane) {
        uint64_t of_uid = fair_share_uid_cap(client->account);
        uint64_t of_cgroup = fair_share_cgroup_cap(client->account);
        struct ledger_gone gone;
        struct tally uid, cgroup;

        if (of_uid == UINT64_MAX && of_cgroup == UINT64_MAX)
                return UINT64_MAX; /* saves a walk over all lanes */
        /* an elastic reservation counts as well: a lane may use the wider one; and so does
         * what a relative of a closed handle may use for two more ticks */
        count(grants, client->account, lane, grants_widest, &uid, &cgroup);
        gone = caps_gone(grants, client, grants->now);
        uid.positions += gone.uid.positions;
        cgroup.positions += gone.cgroup.positions;
        return smaller(standing_under(of_uid, &uid), standing_under(of_cgroup, &cgroup));
}

static bool full(uint64_t cap, const struct tally *held, uint32_t n_lanes) {
        return cap != UINT64_MAX && held->positions + n_lanes > cap;
}

/* One uid may have half of the lanes that there can be, whatever the limits say. */
static uint32_t lanes_of_one(const struct grants *grants) {
        uint32_t half = planner_standing_total(grants_run_width(grants)) / 2;

        return half > 0 ? half : 1;
}

/* The name of the limit comes first, because a long path cuts the rest off. */
static int refuse(char text[CAPS_TEXT], const char *kind, const char *name, uint64_t cap,
                  uint64_t held) {
        snprintf(text, CAPS_TEXT,
                 "caps.%s.%.100s has no position left: each lane holds one "
                 "(1000 IDs/s), %" PRIu64 " of %" PRIu64 " are held; close idle clients or raise "
                 "it in sfshmd.conf",
                 kind, name, held, cap);
        return -EDQUOT;
}

/* Whoever opens and closes all the time would let the whole run rest otherwise. */
static int refuse_rest(const struct account *account, uint64_t rests, char text[CAPS_TEXT]) {
        snprintf(text, CAPS_TEXT,
                 "clients of uid %u that are gone still hold %" PRIu64 " positions or lanes, which "
                 "count against half of all: wait until that has run out, for reserve.standing at "
                 "most, and let these programs use the host's clock",
                 (unsigned)account_uid(account), rests);
        return -EDQUOT;
}

int caps_admit(const struct grants *grants, const struct client *client, char text[CAPS_TEXT]) {
        const struct account *account = client->account;
        uint64_t of_uid = fair_share_uid_cap(account), of_cgroup = fair_share_cgroup_cap(account);
        /* what was withdrawn ends by itself in two ticks, and is not waited for */
        struct ledger_gone gone = caps_gone(grants, client, ledger_withdrawn_by(grants->ledger));
        struct tally uid, cgroup;
        char number[16];

        count(grants, account, NULL, grants_standing, &uid, &cgroup);
        uid.positions += gone.uid.positions;
        cgroup.positions += gone.cgroup.positions;
        snprintf(number, sizeof(number), "%u", (unsigned)account_uid(account));
        if (full(of_uid, &uid, client->n_lanes))
                return refuse(text, "uid", number, of_uid, uid.positions);
        if (full(of_cgroup, &cgroup, client->n_lanes))
                return refuse(text, "cgroup", account_cgroup(account), of_cgroup,
                              cgroup.positions);
        if (!account_limited(account) ||
            uid.lanes + client->n_lanes + gone.uid.standing <= lanes_of_one(grants))
                return 0;
        if (uid.lanes + client->n_lanes <= lanes_of_one(grants))
                return refuse_rest(account, gone.uid.standing, text);
        snprintf(text, CAPS_TEXT,
                 "uid %s has %" PRIu32 " lanes; with this id.layout and "
                 "workers.count one user may have %" PRIu32 ", half of all: close idle clients or "
                 "raise workers.count",
                 number, uid.lanes, lanes_of_one(grants));
        return -EDQUOT;
}
