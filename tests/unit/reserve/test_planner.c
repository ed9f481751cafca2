/* SPDX-License-Identifier: MIT */
/* The planner is pure: demand in, widths out. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/reserve/planner.h"

#define MEMBERS 300u

static uint64_t sum_of(const struct planner_share *shares, size_t n) {
        uint64_t sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += shares[i].width;
        return sum;
}

static struct planner_share share(uint64_t demand, uint64_t cap, uint32_t weight) {
        return (struct planner_share){ .demand = demand, .cap = cap, .weight = weight };
}

Test(divide, nobody_and_nothing) {
        struct planner_share one = share(UINT64_MAX, UINT64_MAX, 1);

        planner_divide(NULL, 0, 100);
        planner_divide(&one, 1, 0);
        cr_expect_eq(one.width, 0);
        planner_divide(&one, 1, UINT64_MAX);
        cr_expect_eq(one.width, UINT64_MAX);
}

Test(divide, what_is_asked_for_up_to_the_share) {
        struct planner_share s[] = {
                share(10, UINT64_MAX, 1), share(UINT64_MAX, UINT64_MAX, 1),
                share(400, UINT64_MAX, 1), share(UINT64_MAX, UINT64_MAX, 1),
        };

        planner_divide(s, 4, 1000);
        cr_expect_eq(s[0].width, 10);
        cr_expect_eq(s[1].width, 330);
        cr_expect_eq(s[2].width, 330);
        cr_expect_eq(s[3].width, 330);
}

Test(divide, the_rest_is_for_bursts_by_weight) {
        struct planner_share s[] = { share(100, UINT64_MAX, 1), share(100, UINT64_MAX, 3) };

        planner_divide(s, 2, 1000);
        cr_expect_eq(s[0].width, 300);
        cr_expect_eq(s[1].width, 700);
}

Test(divide, weights) {
        struct planner_share s[] = { share(UINT64_MAX, UINT64_MAX, 1),
                                     share(UINT64_MAX, UINT64_MAX, 3) };

        planner_divide(s, 2, 4000);
        cr_expect_eq(s[0].width, 1000);
        cr_expect_eq(s[1].width, 3000);
}

Test(divide, caps_hold_and_nothing_is_lost_to_them) {
        struct planner_share s[] = { share(UINT64_MAX, 100, 1), share(UINT64_MAX, UINT64_MAX, 1),
                                     share(5, 3, 1000) };

        planner_divide(s, 3, 1000);
        cr_expect_eq(s[0].width, 100);
        cr_expect_eq(s[1].width, 897);
        cr_expect_eq(s[2].width, 3);
        s[1].cap = 200;
        planner_divide(s, 3, 1000);
        cr_expect_eq(sum_of(s, 3), 303, "all of it only when the caps allow");
}

Test(divide, floors) {
        struct planner_share s[] = { share(UINT64_MAX, UINT64_MAX, 1000),
                                     share(UINT64_MAX, UINT64_MAX, 1),
                                     share(UINT64_MAX, UINT64_MAX, 1) };

        s[1].floor = s[2].floor = 5;
        planner_divide(s, 3, 100);
        cr_expect_eq(s[0].width, 90);
        cr_expect_eq(s[1].width, 5);
        cr_expect_eq(s[2].width, 5);
        planner_divide(s, 3, 9);
        cr_expect_eq(sum_of(s, 3), 9, "not enough for all floors: they do not count");
}

Test(divide, property) {
        static struct planner_share s[MEMBERS];
        unsigned seed = 4711;

        printf("seed %u\n", seed);
        for (unsigned round = 0; round < 2000; round++) {
                size_t n = 1 + (size_t)rand_r(&seed) % (round % 10 ? 12 : MEMBERS);
                uint64_t positions = (uint64_t)rand_r(&seed) >> (rand_r(&seed) % 31);
                uint64_t caps = 0, sum;

                for (size_t i = 0; i < n; i++) {
                        uint64_t demand = (uint64_t)rand_r(&seed) >> (rand_r(&seed) % 31);
                        uint64_t cap = (uint64_t)rand_r(&seed) >> (rand_r(&seed) % 31);

                        s[i] = share(rand_r(&seed) % 4 ? demand : UINT64_MAX,
                                     rand_r(&seed) % 4 ? UINT64_MAX : cap,
                                     rand_r(&seed) % 2 ? 1 : 1 + (unsigned)rand_r(&seed) % 1000);
                        if (i > 0 && rand_r(&seed) % 3 == 0)
                                s[i] = s[i - 1];
                        if (__builtin_add_overflow(caps, s[i].cap, &caps))
                                caps = UINT64_MAX;
                }
                planner_divide(s, n, positions);
                sum = sum_of(s, n);
                cr_assert_eq(sum, positions < caps ? positions : caps, "round %u", round);
                for (size_t i = 0; i < n; i++) {
                        cr_assert_leq(s[i].width, s[i].cap);
                        /* nobody goes short of his share for one who has more than asked for */
                        for (size_t j = 0; j < n && n < 20; j++) {
                                uint64_t limit = s[i].demand < s[i].cap ? s[i].demand : s[i].cap;

                                if (s[j].demand == s[i].demand && s[j].weight == s[i].weight &&
                                    s[j].cap == s[i].cap)
                                        cr_assert_leq(s[j].width, s[i].width + 1);
                                if (s[i].width < limit) {
                                        cr_assert_leq(s[j].width, s[j].demand);
                                        cr_assert((s[j].width - (s[j].width > 0)) *
                                                          s[i].weight <=
                                                  (s[i].width + 1) * s[j].weight);
                                }
                        }
                }
        }
}

static const struct planner_group plain = { .weight = 1, .cap = UINT64_MAX };

Test(plan, a_uid_with_more_connections_gets_no_more) {
        struct planner_group uids[2] = { plain, plain };
        struct planner_group cgroups[3] = { plain, plain, plain };
        struct planner_lane lanes[101];

        cgroups[1].parent = cgroups[2].parent = 1;
        for (uint32_t i = 0; i < 101; i++)
                lanes[i] = (struct planner_lane){ .cgroup = i == 0 ? 0 : 1 + i % 2,
                                                  .overflows = 1, .width = 1 };
        cr_assert_eq(planner_plan(lanes, 101, cgroups, 3, uids, 2, 4000, 100), 0);
        cr_expect_eq(lanes[0].width, 2000);
        for (uint32_t i = 1; i < 101; i++)
                cr_expect_eq(lanes[i].width, 20);
}

Test(plan, demand) {
        struct planner_group group = plain;
        struct planner_lane lanes[4] = {
                { .used = 100 * 100, .width = 500 },                  /* wants 216 */
                { .used = 0, .wanted = 300, .width = 100 },           /* wants 300 */
                { .used = 0, .wanted = 90, .width = 100 },            /* has that */
                { .used = 1, .overflows = 1, .width = 100 },          /* wants all */
        };

        cr_assert_eq(planner_plan(lanes, 4, &group, 1, &group, 1, 2000, 100), 0);
        cr_expect_eq(lanes[0].width, 216);
        cr_expect_eq(lanes[1].width, 300);
        cr_expect_eq(lanes[2].width, 16);
        cr_expect_eq(lanes[3].width, 1468);
}

Test(plan, caps_and_weights_of_groups) {
        struct planner_group uids[2] = { plain, plain };
        struct planner_group cgroups[2] = { plain, plain };
        struct planner_lane lanes[3] = { { .cgroup = 0, .overflows = 1 },
                                         { .cgroup = 0, .overflows = 1 },
                                         { .cgroup = 1, .overflows = 1 } };

        cgroups[1].parent = 1;
        uids[0].weight = 3;
        cr_assert_eq(planner_plan(lanes, 3, cgroups, 2, uids, 2, 4000, 100), 0);
        cr_expect_eq(lanes[0].width, 1500);
        cr_expect_eq(lanes[1].width, 1500);
        cr_expect_eq(lanes[2].width, 1000);
        uids[0].cap = 100;
        cr_assert_eq(planner_plan(lanes, 3, cgroups, 2, uids, 2, 4000, 100), 0);
        cr_expect_eq(lanes[0].width, 50);
        cr_expect_eq(lanes[2].width, 3900);
        uids[0].cap = UINT64_MAX;
        cgroups[0].cap = 10;
        cr_assert_eq(planner_plan(lanes, 3, cgroups, 2, uids, 2, 4000, 100), 0);
        cr_expect_eq(lanes[0].width, 5);
        cr_expect_eq(lanes[2].width, 3990, "a uid gets no more than its cgroups may have");
}

Test(plan, everybody_gets_a_position_when_there_are_enough) {
        static struct planner_lane lanes[1001];
        struct planner_group uids[3] = { plain, plain, plain };
        struct planner_group cgroups[3] = { plain, plain, plain };

        uids[0].weight = 1000;
        for (uint32_t i = 0; i < 3; i++)
                cgroups[i].parent = i;
        for (uint32_t i = 0; i < 1001; i++)
                lanes[i] = (struct planner_lane){ .cgroup = i < 1 ? 0 : 1 + i % 2,
                                                  .overflows = 1 };
        cr_assert_eq(planner_plan(lanes, 1001, cgroups, 3, uids, 3, 1100, 100), 0);
        cr_expect_eq(lanes[0].width, 100);
        for (uint32_t i = 1; i < 1001; i++)
                cr_assert_eq(lanes[i].width, 1);
}

Test(plan, bad_arguments) {
        struct planner_group group = plain, weightless = { .cap = UINT64_MAX };
        struct planner_group orphan = { .parent = 1, .weight = 1 };
        struct planner_lane lane = { .cgroup = 0 }, lost = { .cgroup = 1 };

        cr_expect_eq(planner_plan(NULL, 0, NULL, 0, NULL, 0, 100, 100), 0);
        cr_expect_eq(planner_plan(&lane, 1, &group, 1, &group, 1, 100, 0), -EINVAL);
        cr_expect_eq(planner_plan(&lost, 1, &group, 1, &group, 1, 100, 100), -EINVAL);
        cr_expect_eq(planner_plan(&lane, 1, &orphan, 1, &group, 1, 100, 100), -EINVAL);
        cr_expect_eq(planner_plan(&lane, 1, &group, 1, &weightless, 1, 100, 100), -EINVAL);
}

Test(sizes, close_enough) {
        cr_expect(planner_close_enough(4040, 4040));
        cr_expect(planner_close_enough(4026, 4040));
        cr_expect_not(planner_close_enough(4000, 4040));
        cr_expect_not(planner_close_enough(3, 4));
}

/* A lone client's elastic width is >= 98 % of the run, four together have
 * >= 97 %. */
Test(sizes, reach) {
        for (uint32_t run = 256; run <= 1u << 22; run += run / 64 + 1) {
                cr_assert_geq((run - planner_newcomers(run) - planner_standing(run, 1)) * 100,
                              run * (uint64_t)98, "run %u", run);
                if (run >= 1024)
                        cr_assert_geq((run - planner_newcomers(run) -
                                       4 * planner_standing(run, 4)) * 100,
                                      run * (uint64_t)97, "run %u", run);
        }
        cr_expect_eq(planner_newcomers(4096), 40);
        cr_expect_eq(planner_standing(4096, 1), 16);
        cr_expect_eq(planner_newcomers(1), 0);
        cr_expect_eq(planner_standing(1, 1), 1);
        cr_expect_eq(planner_standing_total(1), 1);
}

/* 1,000 clients that attach one after the other, nobody having shrunk yet. */
Test(sizes, standing_stays_within_half) {
        uint64_t total = 0;

        for (uint32_t lanes = 1; lanes <= 1000; lanes++) {
                cr_assert_geq(planner_standing(4096, lanes), 1);
                total += planner_standing(4096, lanes);
        }
        cr_expect_leq(total, planner_standing_total(4096));
        cr_expect_eq(planner_standing(4096, UINT32_MAX), 1);
        cr_expect_geq(planner_standing(4096, 0), 1);
}
