/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The planner: who gets which width. Pure: demand in, widths out; the daemon
 * and the simulation call the same functions.
 *
 * Sharing is by a tree: uids share the run, the cgroups of a uid share what the
 * uid gets, the lanes of a cgroup share what the cgroup gets. So more
 * connections, or more cgroups, buy a user nothing. At each level the same
 * water-filling: everybody gets what he asks for as long as it is at most his
 * weighted share; what is left over then goes to all, by weight, for bursts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A member of a sharing: a uid, a cgroup or a lane. */
struct planner_share {
        uint64_t demand; /* positions per tick that would satisfy it; UINT64_MAX: all it can get */
        uint64_t cap;    /* at most that many; UINT64_MAX: no cap */
        uint32_t weight; /* >= 1 */
        uint64_t floor;  /* at least that many, where there are enough for all floors */
        uint64_t width;  /* out */
        struct planner_share *next; /* scratch */
};

/* Divides `positions`; the sum of widths is <= positions, and all of it when
 * the caps allow. Members with equal demand, weight, cap and floor differ by at
 * most 1. */
void planner_divide(struct planner_share *shares, size_t n, uint64_t positions);

/* A lane that wants an elastic reservation. */
struct planner_lane {
        uint32_t cgroup; /* index into cgroups */
        uint64_t used;   /* IDs in the last period */
        uint64_t overflows; /* in the last period */
        uint32_t wanted;  /* by its hints, positions in a tick; 0: none said */
        uint32_t width;   /* in: what it has now; out: what it gets */
};
struct planner_group {
        uint32_t parent; /* cgroups: index into uids */
        uint32_t weight;
        uint64_t cap; /* positions per tick, UINT64_MAX: none */
};

/* Fills in the widths. `period_ticks` is how long `used` was measured. A lane
 * gets at least 1 position when there are enough for all and no cap forbids it.
 * 0, -EINVAL (an index out of range, a weight of 0) or -ENOMEM. */
int planner_plan(struct planner_lane *lanes, size_t n_lanes, const struct planner_group *cgroups,
                 size_t n_cgroups, const struct planner_group *uids, size_t n_uids,
                 uint64_t positions, uint64_t period_ticks);

/* Is the width a lane has close enough to the planned one to just extend it?
 * Within 1/256, so that a lone client which has 98 % keeps to that. */
bool planner_close_enough(uint32_t have, uint32_t want);

/* Positions kept free for newcomers: 1 % of the run, ... */
uint32_t planner_newcomers(uint32_t run_width);
/* ... and in a period after one in which they took `taken` positions twice
 * that, up to 1.5 %. */
uint32_t planner_spare(uint32_t run_width, uint64_t taken);
/* Width of a standing reservation with `lanes` lanes attached (the new one
 * included): at least 1; narrow enough that a lone client's elastic one is
 * >= 98 % of the run, and that all together stay within half the run. */
uint32_t planner_standing(uint32_t run_width, uint32_t lanes);
/* All standing reservations together hold at most that many positions. */
static inline uint32_t planner_standing_total(uint32_t run_width) {
        return run_width < 2 ? run_width : run_width / 2;
}
