/* SPDX-License-Identifier: MIT */
/* Who gets how much, and when. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/reserve/planner.h"
#include "tests/unit/support/reserve_world.h"

TestSuite(reach, .init = world_begin, .fini = world_end);
TestSuite(standing, .init = world_begin, .fini = world_end);
TestSuite(hostile, .init = world_begin, .fini = world_end);

Test(reach, first_id_at_once) {
        cr_assert_eq(world_attach(0, 1), 0);
        cr_expect(reserve_ready(world.reserve, world.fakes[0].client, world.now));
        cr_expect_eq(fake_width(&world.fakes[0]), planner_standing(RUN_WIDTH, 1));
        cr_expect_eq(atomic_load(&world.fakes[0].page->widest), 4096 - 40 - 16);
        cr_expect_not(reserve_busy(world.reserve, world.now), "no ticker for it");
}

Test(reach, a_lone_client_gets_98_percent_at_once_and_keeps_it) {
        cr_assert_eq(world_attach(0, 1), 0);
        world_steps(777);
        world.fakes[0].demand = SATURATING;
        world_step();
        for (unsigned i = 0; i < 3000; i++) {
                world_step();
                cr_assert_geq(fake_width(&world.fakes[0]) * 100, RUN_WIDTH * 98, "after %u", i);
        }
        cr_expect(reserve_busy(world.reserve, world.now));
        cr_expect_gt(reserve_totals(world.reserve).extensions, reserve_totals(world.reserve).grants,
                     "with the same plan it is just extended");
        world.fakes[0].demand = 0;
        world_steps(1500);
        cr_expect_not(reserve_busy(world.reserve, world.now));
        cr_expect_eq(fake_width(&world.fakes[0]), 16);
}

Test(reach, four_busy_ones_share_equally) {
        uint64_t before[4], least = UINT64_MAX, most = 0, sum = 0;

        for (unsigned i = 0; i < 4; i++)
                cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(1000);
        for (unsigned i = 0; i < 4; i++)
                before[i] = world.fakes[i].ids;
        world_steps(1000);
        for (unsigned i = 0; i < 4; i++) {
                uint64_t ids = world.fakes[i].ids - before[i];

                least = ids < least ? ids : least;
                most = ids > most ? ids : most;
                sum += ids;
        }
        cr_expect_leq(most * 10, least * 11);
        cr_expect_geq(sum * 100, 1000 * (uint64_t)RUN_WIDTH * 97);
}

Test(reach, weights_and_caps_of_uids) {
        world.accounts[1].uid_weight = 3;
        world.accounts[2].uid_cap = 100000; /* 100 in a tick */
        for (unsigned i = 0; i < 3; i++)
                cr_assert_eq(world_attach(i, SATURATING), 0);
        cr_assert_eq(world_attach(1, SATURATING), 0);
        world_steps(1000);
        cr_expect_leq(fake_width(&world.fakes[2]), 100);
        cr_expect_geq(fake_width(&world.fakes[2]), 90);
        cr_expect_leq(abs((int)fake_width(&world.fakes[1]) - (int)fake_width(&world.fakes[3])), 1,
                      "two of one uid share");
        cr_expect_float_eq((double)(fake_width(&world.fakes[1]) + fake_width(&world.fakes[3])) /
                           fake_width(&world.fakes[0]), 3.0, 0.05);
        for (unsigned i = 0; i < 100; i++) {
                world_step();
                cr_assert_leq(fake_width(&world.fakes[2]), 100);
        }
}

Test(reach, a_capped_one_alone_is_capped) {
        world.accounts[0].uid_cap = 50000;
        cr_assert_eq(world_attach(0, SATURATING), 0);
        for (unsigned i = 0; i < 500; i++) {
                world_step();
                cr_assert_leq(fake_width(&world.fakes[0]), 50);
        }
        /* a second connection, which asks in the middle of a period, buys nothing:
         * it waits until the first one has less */
        cr_assert_eq(world_attach(0, SATURATING), -EAGAIN);
        for (unsigned i = 0; i < 500; i++) {
                world_step();
                cr_assert_leq(fake_elastic_width(&world.fakes[0]) +
                                      fake_elastic_width(&world.fakes[1]),
                              50);
        }
        cr_expect_eq(fake_elastic_width(&world.fakes[1]), 25);
        world.accounts[1].uid_cap = 3000;
        cr_assert_eq(world_attach(1, SATURATING), 0);
        cr_expect_leq(fake_width(&world.fakes[2]), 3, "the standing one as well");
}

/* What the clients of an account may take together in this tick. */
static uint64_t widths_of(unsigned account) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < world.n_fakes; i++)
                if (world.fakes[i].client &&
                    world.fakes[i].client->account == &world.accounts[account])
                        sum += fake_width(&world.fakes[i]);
        return sum;
}

static void expect_refused(unsigned account, const char *name) {
        struct fake *fake = &world.fakes[world.n_fakes];

        cr_assert_eq(world_attach(account, 0), -EDQUOT);
        cr_expect_not_null(strstr(reserve_refusal(world.reserve), name), "%s",
                           reserve_refusal(world.reserve));
        (void)ledger_close_lane(world.ledger, fake->client->lanes[0].entry);
        free(fake->client);
        fake->client = NULL;
}

/* Red when each lane may have the whole cap in stock (caps.c). */
Test(reach, connections_under_a_cap) {
        cr_assert_eq(world_attach(1, SATURATING), 0);
        world.accounts[0].uid_cap = 4001; /* 5 positions */
        for (unsigned i = 0; i < 5; i++)
                cr_assert_eq(world_attach(0, SATURATING), 0);
        for (unsigned i = 0; i < 15; i++)
                expect_refused(0, "caps.uid.1000 ");
        for (unsigned i = 0; i < 20000; i++) {
                world_step();
                cr_assert_leq(widths_of(0), 5);
                cr_assert_geq(widths_of(1) * 100, i < 300 ? 0 : RUN_WIDTH * 97);
        }
        cr_expect_eq(widths_of(0), 5);
        world_detach(&world.fakes[1]);
        cr_expect_neq(world_attach(0, SATURATING), -EDQUOT, "room again");
        world_steps(300);
        cr_expect(reserve_ready(world.reserve, world.fakes[world.n_fakes - 1].client, world.now));
}

/* They come, go, are busy and idle. Red when the planner ignores what stands,
 * or when a newcomer does not wait for what is planned already. */
Test(reach, never_above_the_cap) {
        static const uint32_t demands[] = { 0, 3, SATURATING, SATURATING };
        unsigned state = 12345, most = 0;

        world.accounts[0].uid_cap = 40000;
        for (unsigned i = 0; i < 12000; i++) {
                unsigned who;

                state = state * 1103515245 + 12345;
                who = (state >> 16) % (world.n_fakes + 1);
                if (i % 10 == 0 && world.n_fakes < 1000 && widths_of(0) < 38) {
                        int r = world_attach(0, demands[(state >> 8) % 4]);

                        cr_assert(r == 0 || r == -EAGAIN, "%d", r);
                } else if (who < world.n_fakes && world.fakes[who].client && i % 7 == 0) {
                        world_detach(&world.fakes[who]);
                } else if (who < world.n_fakes) {
                        world.fakes[who].demand = demands[(state >> 8) % 4];
                }
                world_step();
                cr_assert_leq(widths_of(0), 40, "after %u", i);
                most = widths_of(0) > most ? (unsigned)widths_of(0) : most;
        }
        cr_expect_geq(most, 39, "the cap is there to be used: %u", most);
}

/* Red without the part of one uid (caps.c): it takes all of them. */
Test(standing, one_user_has_half_of_the_lanes) {
        world.accounts[0].limited = true;
        for (unsigned i = 0; i < RUN_WIDTH / 4; i++) {
                int r = world_attach(0, 0);

                cr_assert(r == 0 || r == -EAGAIN, "client %u: %d", i, r);
                world_steps(i % 64 == 0 ? 50 : 0);
        }
        expect_refused(0, "uid 1000 has 1024 lanes");
        world.accounts[1].limited = true;
        cr_expect_neq(world_attach(1, 0), -EDQUOT);
        cr_expect_neq(world_attach(2, 0), -EDQUOT);
        world_detach(&world.fakes[0]);
        cr_expect_neq(world_attach(0, 0), -EDQUOT, "room again");
}

Test(reach, a_newcomer_on_a_busy_daemon) {
        cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(2345);
        for (unsigned i = 1; i <= 4; i++) {
                cr_assert_eq(world_attach(0, SATURATING), 0, "standing at once");
                cr_expect_geq(fake_width(&world.fakes[i]), 1);
        }
        world_steps(500);
        for (unsigned i = 1; i <= 4; i++)
                cr_expect_geq(fake_width(&world.fakes[i]) * 10, fake_width(&world.fakes[0]) * 9);
}

/* One hint for all there is, and then hardly any use of it. */
Test(reach, a_hint_is_not_an_order_for_ever) {
        cr_assert_eq(world_attach(0, SATURATING), 0);
        cr_assert_eq(world_attach(0, 1), 0);
        world_steps(1234);
        reserve_want(world.reserve, world.fakes[1].client, 0, 0, world.now);
        world.due = reserve_run(world.reserve, world.now);
        world_steps(5);
        cr_expect_geq(fake_elastic_width(&world.fakes[1]), 1900, "its share at first");
        world_steps(300);
        cr_expect_geq(fake_width(&world.fakes[0]), 3900);
}

Test(reach, what_one_leaves_goes_to_the_others) {
        for (unsigned i = 0; i < 3; i++)
                cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(1500);
        world_detach(&world.fakes[1]);
        world_steps(300);
        cr_expect_geq(fake_width(&world.fakes[0]), 1900);
        world.fakes[2].demand = 1;
        world_steps(300);
        cr_expect_geq(fake_width(&world.fakes[0]), 3800, "soon, while the other one lingers");
        world_steps(700);
        cr_expect_geq(fake_width(&world.fakes[0]) * 100, RUN_WIDTH * 97);
}

/* All work; when all are busy, all get an elastic one. */
Test(reach, a_thousand_clients) {
        for (unsigned i = 0; i < 1000; i++)
                cr_assert_eq(world_attach(i % 4, 1), 0, "client %u", i);
        for (unsigned i = 0; i < 1000; i++)
                cr_assert_geq(fake_width(&world.fakes[i]), 1);
        world_steps(50);
        for (unsigned i = 0; i < 1000; i++)
                world.fakes[i].demand = SATURATING;
        world_steps(600);
        for (unsigned i = 0; i < 1000; i++)
                cr_assert_geq(fake_elastic_width(&world.fakes[i]), 1, "client %u", i);
}

Test(reach, a_thousand_arrive_at_a_busy_daemon) {
        unsigned at_once = 0;

        cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(500);
        for (unsigned i = 1; i <= 1000; i++) {
                int r = world_attach(0, 1);

                cr_assert(r == 0 || r == -EAGAIN);
                at_once += r == 0;
        }
        cr_expect_geq(at_once, 30, "dozens: %u", at_once);
        world_steps(500);
        for (unsigned i = 0; i <= 1000; i++)
                cr_assert(reserve_ready(world.reserve, world.fakes[i].client, world.now),
                          "client %u", i);
}

/* Attach, one ID, gone 10 ms later, 200 times a second: nobody waits for the
 * end of a period. Red when a newcomer takes a fixed part of what is kept free. */
Test(reach, short_lived_newcomers_on_a_busy_daemon) {
        unsigned gone = 1;

        cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(777);
        for (unsigned i = 0; i < 5000; i++) {
                world_step();
                if (i % 5 == 0)
                        cr_assert_eq(world_attach(i % 4, 1), 0, "after %u ms", i);
                while (gone < world.n_fakes && world.fakes[gone].page->base_tick + 10 < world.now)
                        world_detach(&world.fakes[gone++]);
                cr_assert_geq(fake_width(&world.fakes[0]) * 100, RUN_WIDTH * 95);
        }
        while (gone < world.n_fakes)
                world_detach(&world.fakes[gone++]);
        cr_expect_gt(gone, 1000);
        world_steps(500);
        cr_expect_geq(fake_width(&world.fakes[0]) * 100, RUN_WIDTH * 98, "alone again");
}

/* More than 40 positions' worth of them: what is kept free follows the need. */
Test(reach, more_newcomers_more_room) {
        unsigned gone = 1, waited = 0;

        cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(777);
        for (unsigned i = 0; i < 4000; i++) {
                world_step();
                if (i % 2 == 0) {
                        int r = world_attach(i % 4, 1);

                        cr_assert(r == 0 || (r == -EAGAIN && i < 300), "after %u ms", i);
                        waited += r < 0;
                }
                while (gone < world.n_fakes && world.fakes[gone].page->base_tick + 10 < world.now)
                        world_detach(&world.fakes[gone++]);
        }
        cr_expect_lt(waited, 50);
}

Test(hostile, hints_and_counters) {
        cr_assert_eq(world_attach(0, SATURATING), 0);
        cr_assert_eq(world_attach(1, 0), 0);
        reserve_want(world.reserve, world.fakes[1].client, 1, 0, world.now);
        reserve_want(world.reserve, world.fakes[1].client, UINT32_MAX, 0, world.now);
        for (unsigned i = 0; i < 2000; i++) {
                world.fakes[1].ids = i % 3 == 0 ? UINT64_MAX : i % 3 == 1 ? 0 : i;
                world.fakes[1].overflows = UINT64_MAX - i;
                for (unsigned j = 0; j < 20; j++)
                        reserve_want(world.reserve, world.fakes[1].client, 0, UINT32_MAX - j,
                                     world.now);
                world.due = reserve_run(world.reserve, world.now);
                world_step();
        }
        cr_expect_geq(fake_width(&world.fakes[0]), 2000, "it buys a share, not more");
        reserve_want(world.reserve, world.fakes[0].client, 0, 5, world.now - 500);
        cr_expect_geq(reserve_run(world.reserve, world.now - 500), world.now);
}
