/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The planner decides who gets which width. It is pure: demand in, widths out. The daemon
 * and the simulation call the same functions.
 *
 * Sharing follows a tree: uids share the run, the cgroups of a uid share what the uid
 * gets, and the lanes of a cgroup share what the cgroup gets. So more connections or more
 * cgroups gain a user nothing. Each level uses the same water-filling: a member gets what
 * it asks for if that is at most its weighted share. What is left over goes to all, by
 * weight, for bursts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A member that shares: a uid, a cgroup or a lane. */
struct planner_share {
        uint64_t demand; /* positions per tick that would satisfy it; UINT64_MAX: all it can get */
        uint64_t cap;    /* at most that many; UINT64_MAX: no cap */
        uint32_t weight; /* >= 1 */
        uint64_t floor;  /* at least that many, where there are enough for all floors */
        uint64_t width;  /* out */
        struct planner_share *next; /* scratch */
};

/* Divides `positions`. The sum of the widths is at most `positions`, and equal to it if
 * the caps allow. Members with equal demand, weight, cap and floor differ by at most 1. */
void planner_divide(struct planner_share *shares, size_t n, uint64_t positions);

/* A lane that wants an elastic reservation. */
struct planner_lane {
        uint32_t cgroup; /* index into cgroups */
        uint64_t used;   /* IDs in the last period */
        uint64_t overflows; /* in the last period */
        uint32_t wanted;  /* positions in a tick, by its hints; 0: no hint */
        uint32_t width;   /* in: what it has now; out: what it gets */
};
struct planner_group {
        uint32_t parent; /* cgroups: index into uids */
        uint32_t weight;
        uint64_t cap; /* positions per tick, UINT64_MAX: none */
};

/* Fills in the widths. `used` was measured over `period_ticks`. A lane gets at least 1
 * position if there are enough for all and no cap forbids it.
 * 0, -EINVAL (an index out of range, a weight of 0) or -ENOMEM. */
int planner_plan(struct planner_lane *lanes, size_t n_lanes, const struct planner_group *cgroups,
                 size_t n_cgroups, const struct planner_group *uids, size_t n_uids,
                 uint64_t positions, uint64_t period_ticks);

/* Is a lane's width close enough to the planned one to be just extended? Within 1/256, so
 * that a lone client with 98 % keeps it. */
bool planner_close_enough(uint32_t have, uint32_t want);

/* Positions that a plan leaves free, so that newcomers need not wait for the next one: 1 %
 * of the run. */
static inline uint32_t planner_newcomers(uint32_t run_width) {
        return run_width / 100;
}
/* The width of a standing reservation with `lanes` lanes attached, the new one included:
 * at least 1; narrow enough that the elastic reservation of a lone client is at least 98 %
 * of the run, and that all standing ones stay within half the run. */
uint32_t planner_standing(uint32_t run_width, uint32_t lanes);
/* The most positions that all standing reservations together may hold. */
static inline uint32_t planner_standing_total(uint32_t run_width) {
        return run_width < 2 ? run_width : run_width / 2;
}
