/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/fair_share.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/reserve/planner.h"

static uint64_t positions_per_tick(uint64_t ids_per_second) {
        if (ids_per_second == UINT64_MAX)
                return UINT64_MAX;
        return ids_per_second / 1000 + (ids_per_second % 1000 != 0);
}

uint64_t fair_share_uid_cap(const struct account *account) {
        return positions_per_tick(account_uid_cap(account));
}

uint64_t fair_share_cgroup_cap(const struct account *account) {
        return positions_per_tick(account_cgroup_cap(account));
}

bool fair_share_capped(const struct account *account) {
        return account_uid_cap(account) != UINT64_MAX ||
               account_cgroup_cap(account) != UINT64_MAX;
}

static int order(uint64_t a, uint64_t b) {
        return a < b ? -1 : a > b;
}

/* By uid, account, then age, so that the same demand gives the same plan. */
static int compare(const void *first, const void *second) {
        const struct bidder *a = first, *b = second;
        int by_uid = order(account_uid(a->client->account), account_uid(b->client->account));
        int by_account = order((uintptr_t)a->client->account, (uintptr_t)b->client->account);
        int by_client = order(a->client->id, b->client->id);

        if (by_uid != 0)
                return by_uid;
        if (by_account != 0)
                return by_account;
        return by_client != 0 ? by_client : order((uintptr_t)a->lane, (uintptr_t)b->lane);
}

struct groups {
        struct planner_group *uids, *cgroups;
        struct planner_lane *lanes;
        size_t n_uids, n_cgroups, n_lanes;
};

static void lower_cap(struct planner_group *group, uint64_t kept) {
        if (group->cap != UINT64_MAX)
                group->cap = group->cap > kept ? group->cap - kept : 0;
}

/* What the bidder may use besides what is planned for it now. A lane uses one slot in a
 * tick, the widest: of a standing reservation of s positions beside a planned one of at
 * least 1, at most s - 1 positions count. */
static uint32_t besides(const struct bidder *bidder, bool scarce) {
        if (bidder->keeps == 0)
                return scarce || bidder->standing == 0 ? bidder->standing : bidder->standing - 1;
        return bidder->keeps > bidder->standing ? bidder->keeps : bidder->standing;
}

/* `scarce`: there are fewer positions than lanes, so some lanes get none. */
static void groups_add(struct groups *groups, const struct bidder *bidder,
                       const struct bidder *before, bool scarce) {
        const struct account *account = bidder->client->account;

        if (!before || account_uid(before->client->account) != account_uid(account)) {
                groups->uids[groups->n_uids++] =
                        (struct planner_group){ .weight = account_uid_weight(account),
                                                .cap = fair_share_uid_cap(account) };
                lower_cap(&groups->uids[groups->n_uids - 1], bidder->gone_uid);
        }
        if (!before || before->client->account != account) {
                groups->cgroups[groups->n_cgroups++] =
                        (struct planner_group){ .parent = (uint32_t)groups->n_uids - 1,
                                                .weight = account_cgroup_weight(account),
                                                .cap = fair_share_cgroup_cap(account) };
                lower_cap(&groups->cgroups[groups->n_cgroups - 1], bidder->gone_cgroup);
        }
        lower_cap(&groups->uids[groups->n_uids - 1], besides(bidder, scarce));
        lower_cap(&groups->cgroups[groups->n_cgroups - 1], besides(bidder, scarce));
        if (bidder->keeps > 0)
                return;
        groups->lanes[groups->n_lanes++] =
                (struct planner_lane){ .cgroup = (uint32_t)groups->n_cgroups - 1,
                                       .used = bidder->lane->used,
                                       .overflows = bidder->lane->new_overflows,
                                       .wanted = bidder->lane->wanted,
                                       .width = bidder->held };
}

static int plan(struct groups *groups, struct bidder *bidders, size_t n, uint64_t positions,
                uint64_t period_ticks) {
        const struct planner_lane *planned = groups->lanes;
        size_t wanting = 0;
        int result;

        for (size_t i = 0; i < n; i++)
                wanting += bidders[i].keeps == 0;
        for (size_t i = 0; i < n; i++)
                groups_add(groups, &bidders[i], i > 0 ? &bidders[i - 1] : NULL,
                           positions < wanting);
        result = planner_plan(groups->lanes, groups->n_lanes, groups->cgroups, groups->n_cgroups,
                              groups->uids, groups->n_uids, positions, period_ticks);
        if (result < 0)
                return result;
        for (size_t i = 0; i < n; i++)
                if (bidders[i].keeps == 0)
                        bidders[i].lane->planned = planned++->width;
        return 0;
}

int fair_share_plan(struct bidder *bidders, size_t n, uint64_t positions, uint64_t period_ticks) {
        struct groups groups = {
                .uids = calloc(n + 1, sizeof(*groups.uids)),
                .cgroups = calloc(n + 1, sizeof(*groups.cgroups)),
                .lanes = calloc(n + 1, sizeof(*groups.lanes)),
        };
        int result = -ENOMEM;

        if (groups.uids && groups.cgroups && groups.lanes) {
                qsort(bidders, n, sizeof(*bidders), compare);
                result = plan(&groups, bidders, n, positions, period_ticks);
        }
        free(groups.uids);
        free(groups.cgroups);
        free(groups.lanes);
        return result;
}
