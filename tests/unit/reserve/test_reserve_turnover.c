/* SPDX-License-Identifier: MIT */
/* Clients that come and go: what they cost the next one, their neighbours, and their cap. */
#include <criterion/criterion.h>
#include <errno.h>

#include "daemon/reserve/planner.h"
#include "tests/unit/support/reserve_world.h"

TestSuite(turnover, .init = world_begin, .fini = world_end);
TestSuite(hostile, .init = world_begin, .fini = world_end);

/* What everybody of an account could take in this tick: also who has left, in case a
 * relative kept the pages. */
static uint64_t widths_of(unsigned account) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < world.n_fakes; i++)
                if (world.fakes[i].account == account)
                        sum += fake_width(&world.fakes[i]);
        return sum;
}

/* Red when a hint waits for the end of a period. */
Test(turnover, a_newcomer_has_its_share_within_a_few_ticks) {
        cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(2345);
        for (unsigned i = 1; i < 8; i++) {
                cr_assert_eq(world_attach(i % 4, SATURATING), 0);
                world_steps(8);
                cr_expect_geq(fake_elastic_width(&world.fakes[i]), RUN_WIDTH / 20, "client %u", i);
                world_steps(i * 13 % 100);
        }
}

/* Far more of them than positions are kept free. Red when nothing is withdrawn for who
 * waits. */
Test(turnover, newcomers_have_room_within_a_few_ticks) {
        unsigned waiting = 0;

        for (unsigned i = 0; i < 3; i++)
                cr_assert_eq(world_attach(i, SATURATING), 0);
        world_steps(1013);
        for (unsigned i = 3; i < 503; i++) {
                int r = world_attach(i % 4, 0);

                cr_assert(r == 0 || r == -EAGAIN, "%d", r);
                waiting += r < 0;
        }
        cr_expect_gt(waiting, 400, "the test is for those that wait");
        world_steps(12);
        for (unsigned i = 0; i < world.n_fakes; i++)
                cr_assert(reserve_ready(world.reserve, world.fakes[i].client, world.now),
                          "client %u", i);
}

/* Red when standing reservations of connected clients are left. */
Test(turnover, lost_worker_ids_end_everything) {
        for (unsigned i = 0; i < 50; i++)
                (void)world_attach(i % 4, i % 2 == 0 ? SATURATING : 0);
        world_steps(1013);
        cr_assert_neq(fake_width(&world.fakes[1]), 0);
        cr_assert_neq(fake_elastic_width(&world.fakes[0]), 0);
        reserve_withdraw_all(world.reserve);
        world.now += 2; /* nothing is granted any more */
        for (unsigned i = 0; i < world.n_fakes; i++)
                cr_expect_eq(fake_width(&world.fakes[i]), 0, "client %u", i);
}

/* A process that takes 1,000 IDs as fast as it can, and leaves. In ticks. */
static unsigned take_and_go(void) {
        struct fake *fake = &world.fakes[world.n_fakes];
        unsigned ticks = 0;

        (void)world_attach(0, SATURATING);
        while (fake->ids < 1000) {
                world_step();
                ticks++;
        }
        world_detach(fake);
        return ticks;
}

/* Red when a plan begins before the predecessor's positions are free, and lasts. */
Test(turnover, one_process_after_another) {
        for (unsigned i = 0; i < 1000; i++)
                cr_assert_leq(take_and_go(), 4, "process %u", i);
}

/* IDs of a saturating client in 4 s, beside `n` handles of another uid, each of which is
 * closed and opened again every `age` ticks, and in *ret_most what those could ever take in
 * one tick. */
static uint64_t saturate_beside(unsigned n, unsigned age, uint64_t *ret_most) {
        unsigned first = world.n_fakes, oldest = first + 1;
        struct fake *fake = &world.fakes[first];
        uint64_t before = 0;

        *ret_most = 0;
        cr_assert_eq(world_attach(0, SATURATING), 0);
        for (unsigned i = 0; i < 5000; i++) {
                uint64_t held;

                if (i == 1000)
                        before = fake->ids;
                for (unsigned due = (i + 1) * n / age - i * n / age; due > 0; due--) {
                        int r = world_attach(1, 1);

                        cr_assert(r == 0 || r == -EAGAIN, "%d", r);
                        if (world.n_fakes - oldest > n)
                                world_detach(&world.fakes[oldest++]);
                }
                world_step();
                held = widths_of(1);
                *ret_most = held > *ret_most ? held : *ret_most;
        }
        return fake->ids - before;
}

/* Red when what is closed runs out instead of being withdrawn. */
Test(turnover, sixteen_handles_reopened) {
        uint64_t most, ids = saturate_beside(16, 1050, &most);

        cr_expect_geq(ids * 100, 4000 * (uint64_t)(RUN_WIDTH - 17 * 16) * 95, "%lu",
                      (unsigned long)ids);
        cr_expect_leq(most, (16 + 3) * 16, "%lu", (unsigned long)most);
}

Test(turnover, hundreds_of_handles_reopened) {
        uint64_t most, ids = saturate_beside(400, 1050, &most);

        cr_expect_geq(ids * 100, 4000 * (uint64_t)RUN_WIDTH * 80, "%lu", (unsigned long)ids);
        cr_expect_leq(most, RUN_WIDTH * 6 / 10, "%lu", (unsigned long)most);
}

/* A program whose cursor is ahead of the clock keeps what it has until that runs out by
 * itself. Others share the rest meanwhile, at once, and it gains nothing by it later. Red
 * when the plan begins when the last one lets go. */
Test(hostile, a_cursor_ahead_of_the_clock) {
        cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(500);
        world.fakes[0].cursor_tick = world.now + 1000000;
        for (unsigned i = 1; i < 4; i++)
                cr_assert_eq(world_attach(i, SATURATING), 0);
        world_steps(250);
        for (unsigned i = 1; i < 4; i++)
                cr_expect_geq(fake_width(&world.fakes[i]), 900, "client %u: %u", i,
                              fake_width(&world.fakes[i]));
        for (unsigned i = 0; i < 40; i++) {
                cr_assert_eq(world_attach(1, SATURATING), 0);
                world_steps(8);
                cr_expect_geq(fake_elastic_width(&world.fakes[4 + i]), 10, "newcomer %u", i);
                world_steps(17);
                world_detach(&world.fakes[4 + i]);
        }
        world_steps(300);
        cr_expect_leq(fake_width(&world.fakes[0]), 1100);
}

/* Each hint may ask for a plan, and a plan that moves somebody costs all of them. Red when
 * none waits until the last one has settled. */
Test(hostile, hints_of_hundreds) {
        uint64_t before;

        for (unsigned i = 0; i < 300; i++)
                cr_assert_eq(world_attach(i % 4, i < 50 ? SATURATING : 0), 0);
        world_steps(1000);
        before = reserve_totals(world.reserve).grants;
        for (unsigned i = 0; i < 200; i++) {
                world.fakes[100 + i].demand = SATURATING;
                world_step();
                for (unsigned f = 0; f < 50; f++)
                        cr_assert_geq(fake_width(&world.fakes[f]), RUN_WIDTH / 500, "client %u", f);
        }
        cr_expect_leq(reserve_totals(world.reserve).grants - before, 200 / 2 * 250);
}

/* One handle of a capped uid after another, each used on by a relative that kept its pages
 * and does not notice. Red when what was withdrawn does not count for two more ticks, or
 * keeps the next one down for longer. */
Test(turnover, a_cap_holds_for_closed_handles) {
        world.accounts[1].uid_cap = 50000;
        for (unsigned i = 0; i < 400; i++) {
                struct fake *fake = &world.fakes[world.n_fakes];

                (void)world_attach(1, SATURATING);
                for (unsigned t = 0; t < 3 + i % 17; t++) {
                        world_step();
                        cr_assert_leq(widths_of(1), 50, "client %u, tick %u", i, t);
                        cr_assert(t < 8 || fake_width(fake) >= 48, "client %u has %u", i,
                                  fake_width(fake));
                }
                world_detach(fake);
                cr_assert_leq(widths_of(1), 50, "client %u", i);
        }
}

/* The same, with cursors ahead of the clock, so that what it held runs out by itself. Its
 * positions serve nobody until then. Red when a plan does not count them. */
Test(hostile, a_cap_and_cursors_ahead_of_the_clock) {
        world.accounts[1].uid_cap = 50000;
        for (unsigned i = 0; i < 300; i++) {
                struct fake *fake = &world.fakes[world.n_fakes];

                (void)world_attach(1, SATURATING);
                for (unsigned t = 0; t < 12; t++) {
                        world_step();
                        cr_assert_leq(world_gone(1, world.now).uid.positions + fake_width(fake),
                                      50 + 2, "client %u, tick %u", i, t);
                }
                fake->cursor_tick = i % 10 == 0 ? world.now + 1000000 : 0;
                world_detach(fake);
        }
}

/* The same with many at a time, of which one is closed every few ticks. */
Test(turnover, a_cap_holds_for_many_handles) {
        world.accounts[1].uid_cap = 200000;
        cr_assert_eq(world_attach(0, SATURATING), 0);
        for (unsigned i = 0; i < 1500; i++) {
                int r = world_attach(1, i % 3 == 0 ? 1 : SATURATING);

                cr_assert(r == 0 || r == -EAGAIN, "%d", r);
                if (i >= 16)
                        world_detach(&world.fakes[i - 15]);
                for (unsigned t = 0; t < 1 + i % 5; t++) {
                        world_step();
                        cr_assert_leq(widths_of(1), 200, "client %u", i);
                }
        }
}

/* Another user without a cap, whose cursors are ahead of the clock whenever it leaves: what it
 * held rests. Red when that is not counted as its own: the whole run rests then. */
Test(hostile, cursors_ahead_of_the_clock_take_no_more_than_lanes_would) {
        unsigned refused = 0;

        world.accounts[1].limited = true;
        cr_assert_eq(world_attach(0, SATURATING), 0);
        for (unsigned i = 0; i < 1900; i++) {
                struct fake *fake = &world.fakes[world.n_fakes];
                int r = world_attach(1, i % 4 == 0 ? SATURATING : 1);

                cr_assert(r == 0 || r == -EAGAIN || r == -EDQUOT, "%d", r);
                refused += r == -EDQUOT;
                world_step();
                if (r != -EDQUOT) {
                        fake->cursor_tick = UINT64_MAX;
                        world_detach(fake);
                }
                if (i % 4 == 0)
                        cr_assert_leq(world_gone(1, world.now + 250).uid.positions,
                                      RUN_WIDTH / 4 + 16, "client %u", i);
        }
        cr_expect_gt(refused, 0);
        cr_expect_eq(world_attach(0, 1), 0, "a newcomer of another user");
        cr_expect_geq(fake_width(&world.fakes[0]), RUN_WIDTH / 2);
        cr_expect_eq(world_gone(1, world.now + 15000).all.lanes, 0, "it runs out");
}

/* What a daemon that died has left counts as well, but not against those who attach again.
 * Red without either. */
Test(turnover, what_a_dead_daemon_left_counts_for_who_had_it) {
        world.accounts[1].limited = true;
        for (unsigned i = 0; i < RUN_WIDTH / 4; i++)
                cr_assert_eq(world_attach_process(1, 1, i), 0);
        world_steps(20);
        world_restart_daemon();
        cr_assert_geq(world_attach(2, 1), -EAGAIN, "nobody is adopted any more");
        cr_assert_eq(world_gone(1, world.now).uid.lanes, RUN_WIDTH / 4);
        cr_assert_eq(world_gone(1, world.now).cgroup.lanes, RUN_WIDTH / 4);
        cr_assert_eq(world_gone(2, world.now).uid.lanes, 0);
        cr_assert_eq(world_attach_process(1, 1, 99999), -EDQUOT, "another process");
        world_detach(&world.fakes[world.n_fakes - 1]);
        for (unsigned i = 1; i < RUN_WIDTH / 4; i++) {
                int r = world_attach_process(1, 1, i);

                cr_assert(r == 0 || r == -EAGAIN, "process %u: %d", i, r);
                cr_assert_eq(world_gone(1, world.now).uid.lanes, RUN_WIDTH / 4 - i);
        }
}
