/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/planner.h"

#include <errno.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 wide;

static uint64_t add_clamped(uint64_t a, uint64_t b) {
        uint64_t sum;

        return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

/* What a member still takes: up to its demand in the first round, and up to its cap of
 * what is left over in the second. */
static uint64_t room(const struct planner_share *share, bool leftover) {
        uint64_t limit = leftover ? share->cap : smaller(share->demand, share->cap);

        return limit > share->width ? limit - share->width : 0;
}

/* Is `a` satisfied at a lower water level than `b`? */
static bool sooner(const struct planner_share *a, const struct planner_share *b, bool leftover) {
        return (wide)room(a, leftover) * b->weight < (wide)room(b, leftover) * a->weight;
}

/* Stable: equal members keep their order, so the result is repeatable. */
static struct planner_share *merge(struct planner_share *a, struct planner_share *b,
                                   bool leftover) {
        struct planner_share *head = NULL, **tail = &head;

        while (a && b) {
                struct planner_share **from = sooner(b, a, leftover) ? &b : &a;

                *tail = *from;
                tail = &(*from)->next;
                *from = *tail;
        }
        *tail = a ? a : b;
        return head;
}

static struct planner_share *sort(struct planner_share *list, bool leftover) {
        struct planner_share *slow = list, *half;

        if (!list || !list->next)
                return list;
        for (half = list->next; half && half->next; half = half->next->next)
                slow = slow->next;
        half = slow->next;
        slow->next = NULL;
        return merge(sort(list, leftover), sort(half, leftover), leftover);
}

/* Members that want more than the level get the level: the whole part by weight, and what
 * rounding left one by one. Each has room for one more, because its room is above the
 * unrounded level. */
static void fill_level(struct planner_share *list, uint64_t positions, uint64_t weights) {
        uint64_t rest = positions;

        for (struct planner_share *s = list; s; s = s->next) {
                uint64_t part = (uint64_t)((wide)positions * s->weight / weights);

                s->width += part;
                rest -= part;
        }
        for (struct planner_share *s = list; s && rest > 0; s = s->next, rest--)
                s->width++;
}

/* One round of water-filling; returns what no member has room for. */
static uint64_t fill(struct planner_share **list, uint64_t positions, bool leftover) {
        uint64_t weights = 0;

        for (struct planner_share *s = *list; s; s = s->next)
                weights += s->weight;
        *list = sort(*list, leftover);
        for (struct planner_share *s = *list; s; s = s->next) {
                uint64_t wanted = room(s, leftover);

                if ((wide)wanted * weights > (wide)positions * s->weight) {
                        fill_level(s, positions, weights);
                        return 0;
                }
                s->width += wanted;
                positions -= wanted;
                weights -= s->weight;
        }
        return positions;
}

/* Members that the filling left below their floor get the floor and leave the list;
 * returns how many positions that took. */
static uint64_t take_floors(struct planner_share **list) {
        uint64_t taken = 0;

        for (struct planner_share **at = list; *at;) {
                struct planner_share *s = *at;

                if (s->width >= s->floor || s->width >= s->cap) {
                        at = &s->next;
                        continue;
                }
                s->width = smaller(s->floor, s->cap);
                taken += s->width;
                *at = s->next;
        }
        return taken;
}

static void divide(struct planner_share *list, uint64_t positions) {
        uint64_t taken, floors = 0;

        for (struct planner_share *s = list; s; s = s->next)
                floors = add_clamped(floors, smaller(s->floor, s->cap));
        do {
                for (struct planner_share *s = list; s; s = s->next)
                        s->width = 0;
                (void)fill(&list, fill(&list, positions, false), true);
                taken = floors <= positions ? take_floors(&list) : 0;
                positions -= taken;
                floors -= taken;
        } while (taken > 0);
}

void planner_divide(struct planner_share *shares, size_t n, uint64_t positions) {
        if (n == 0)
                return;
        for (size_t i = 0; i < n; i++)
                shares[i].next = i + 1 < n ? &shares[i + 1] : NULL;
        divide(shares, positions);
}

/* A node of the tree: its share of its parent, and its children. */
struct node {
        struct planner_share share;
        struct planner_share *children, **last;
};

static void node_init(struct node *node, const struct planner_group *group) {
        node->share.weight = group->weight;
        node->share.cap = group->cap;
        node->last = &node->children;
}

/* The demand, cap and floor of a parent are those of its children together. */
static void node_add(struct node *parent, struct planner_share *child, uint64_t *sum_of_caps) {
        *parent->last = child;
        parent->last = &child->next;
        parent->share.demand = add_clamped(parent->share.demand,
                                           smaller(child->demand, child->cap));
        parent->share.floor = add_clamped(parent->share.floor, child->floor);
        *sum_of_caps = add_clamped(*sum_of_caps, child->cap);
}

static uint64_t lane_demand(const struct planner_lane *lane, uint64_t period_ticks) {
        uint64_t demand = add_clamped(lane->used / period_ticks, lane->used / period_ticks);

        if (lane->overflows > 0)
                return UINT64_MAX;
        demand = add_clamped(demand, 16);
        return lane->wanted > lane->width && lane->wanted > demand ? lane->wanted : demand;
}

struct tree {
        struct node *uids, *cgroups;
        struct planner_share *lanes;
        uint64_t *caps; /* of the children of each cgroup, then of each uid */
};

static void tree_free(struct tree *tree) {
        free(tree->uids);
        free(tree->cgroups);
        free(tree->lanes);
        free(tree->caps);
}

static int tree_alloc(struct tree *tree, size_t n_lanes, size_t n_cgroups, size_t n_uids) {
        *tree = (struct tree){
                .uids = calloc(n_uids + 1, sizeof(*tree->uids)),
                .cgroups = calloc(n_cgroups + 1, sizeof(*tree->cgroups)),
                .lanes = calloc(n_lanes + 1, sizeof(*tree->lanes)),
                .caps = calloc(n_cgroups + n_uids + 1, sizeof(*tree->caps)),
        };
        if (tree->uids && tree->cgroups && tree->lanes && tree->caps)
                return 0;
        tree_free(tree);
        return -ENOMEM;
}

static bool groups_valid(const struct planner_group *groups, size_t n, size_t n_parents) {
        for (size_t i = 0; i < n; i++)
                if (groups[i].weight == 0 || (n_parents > 0 && groups[i].parent >= n_parents))
                        return false;
        return true;
}

static void cap_by_children(struct node *nodes, size_t n, const uint64_t *caps) {
        for (size_t i = 0; i < n; i++) {
                nodes[i].share.cap = smaller(nodes[i].share.cap, caps[i]);
                nodes[i].share.floor = smaller(nodes[i].share.floor, nodes[i].share.cap);
        }
}

static void plan_tree(struct tree *tree, size_t n_cgroups, size_t n_uids, uint64_t positions) {
        for (size_t i = 0; i < n_uids; i++)
                tree->uids[i].share.next = i + 1 < n_uids ? &tree->uids[i + 1].share : NULL;
        divide(&tree->uids[0].share, positions);
        for (size_t i = 0; i < n_uids; i++)
                divide(tree->uids[i].children, tree->uids[i].share.width);
        for (size_t i = 0; i < n_cgroups; i++)
                divide(tree->cgroups[i].children, tree->cgroups[i].share.width);
}

int planner_plan(struct planner_lane *lanes, size_t n_lanes, const struct planner_group *cgroups,
                 size_t n_cgroups, const struct planner_group *uids, size_t n_uids,
                 uint64_t positions, uint64_t period_ticks) {
        struct tree tree;

        if (n_lanes == 0)
                return 0;
        if (period_ticks == 0 || n_uids == 0 || !groups_valid(uids, n_uids, 0) ||
            !groups_valid(cgroups, n_cgroups, n_uids))
                return -EINVAL;
        for (size_t i = 0; i < n_lanes; i++)
                if (lanes[i].cgroup >= n_cgroups)
                        return -EINVAL;
        if (tree_alloc(&tree, n_lanes, n_cgroups, n_uids) < 0)
                return -ENOMEM;

        for (size_t i = 0; i < n_uids; i++)
                node_init(&tree.uids[i], &uids[i]);
        for (size_t i = 0; i < n_cgroups; i++)
                node_init(&tree.cgroups[i], &cgroups[i]);
        for (size_t i = 0; i < n_lanes; i++) {
                tree.lanes[i] = (struct planner_share){
                        .demand = lane_demand(&lanes[i], period_ticks),
                        .cap = UINT32_MAX, .weight = 1, .floor = 1 };
                node_add(&tree.cgroups[lanes[i].cgroup], &tree.lanes[i],
                         &tree.caps[lanes[i].cgroup]);
        }
        cap_by_children(tree.cgroups, n_cgroups, tree.caps);
        for (size_t i = 0; i < n_cgroups; i++)
                node_add(&tree.uids[cgroups[i].parent], &tree.cgroups[i].share,
                         &tree.caps[n_cgroups + cgroups[i].parent]);
        cap_by_children(tree.uids, n_uids, tree.caps + n_cgroups);

        plan_tree(&tree, n_cgroups, n_uids, positions);
        for (size_t i = 0; i < n_lanes; i++)
                lanes[i].width = (uint32_t)tree.lanes[i].width;
        tree_free(&tree);
        return 0;
}

bool planner_close_enough(uint32_t have, uint32_t want) {
        uint32_t difference = have > want ? have - want : want - have;

        return difference <= want / 256;
}

uint32_t planner_standing(uint32_t run_width, uint32_t lanes) {
        uint32_t most = run_width / 256 > 1 ? run_width / 256 : 1;
        uint64_t share = run_width / 2 / (8 * (uint64_t)(lanes > 0 ? lanes : 1));

        if (share < 1)
                return 1;
        return share > most ? most : (uint32_t)share;
}
