/* SPDX-License-Identifier: MIT */
/* What is promised is kept, whoever comes, goes, stalls or dies. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/support/reserve_world.h"

TestSuite(U2, .init = world_begin, .fini = world_end);
TestSuite(U3, .init = world_begin, .fini = world_end);
TestSuite(A1, .init = world_begin, .fini = world_end);
TestSuite(standing, .init = world_begin, .fini = world_end);

/* A1: whoever dies when, a client stands for reserve.standing from its first grant on. */
Test(A1, full_length_from_the_first_grant_on) {
        struct rectangle r;

        cr_assert_eq(world_attach(0, 1), 0);
        cr_assert(slot_read(&world.fakes[0].page->slots[0][SLOT_STANDING_A], &r));
        cr_expect_eq(r.t1, world.now + 15000);
        for (unsigned i = 0; i < 40000; i++) {
                world_step();
                cr_assert_eq(fake_width(&world.fakes[0]), 16, "kept going");
                cr_assert(slot_read(&world.fakes[0].page->slots[0][SLOT_STANDING_A], &r));
                cr_assert_geq(r.t1, world.now + 9999, "at least two thirds");
        }
}

/* A plan sees the places of those who have just come. */
Test(standing, newcomers_stay_through_the_next_plans) {
        for (unsigned i = 0; i < 30; i++)
                cr_assert_eq(world_attach(0, i == 29 ? SATURATING : 1), 0);
        for (unsigned i = 0; i < 1500; i++) {
                world_step();
                for (unsigned f = 0; f < 30; f++)
                        cr_assert_geq(fake_width(&world.fakes[f]), 1, "client %u after %u", f, i);
        }
}

/* A hundred idle clients that came at different times: less than one wake-up a second. */
Test(standing, idle_clients_wake_nobody) {
        for (unsigned i = 0; i < 100; i++) {
                cr_assert_eq(world_attach(0, 1), 0);
                world_steps(37);
        }
        world_steps(20000);
        world.runs = 0;
        world_steps(60000);
        cr_expect_lt(world.runs, 60);
        cr_expect_gt(world.runs, 0);
}

Test(A1, a_daemon_that_stays_away_leaves_the_standing_one) {
        for (unsigned i = 0; i < 5; i++)
                cr_assert_eq(world_attach(0, i == 0 ? SATURATING : 1), 0);
        world_steps(3000);
        world.due = UINT64_MAX;
        world.now += 9998;
        for (unsigned i = 0; i < 5; i++)
                cr_expect_geq(fake_width(&world.fakes[i]), 1);
}

/* At a clean stop all end together, and no later than the one that ended last. Red
 * without standing_align_ends(): they differ by up to a third of reserve.standing. */
Test(A1, a_clean_stop_levels_the_standing_ones) {
        uint64_t latest = 0;

        for (unsigned i = 0; i < 5; i++) {
                cr_assert_eq(world_attach(0, i == 0 ? SATURATING : 1), 0);
                world_steps(1500);
        }
        cr_assert_eq(world_attach(0, 1), 0);
        for (unsigned i = 0; i < 6; i++)
                latest = fake_standing_end(&world.fakes[i]) > latest
                                 ? fake_standing_end(&world.fakes[i])
                                 : latest;
        reserve_align_ends(world.reserve, world.now);
        world_check_pages();
        for (unsigned i = 0; i < 6; i++)
                cr_expect_eq(fake_standing_end(&world.fakes[i]), latest, "client %u", i);
        world.due = UINT64_MAX;
        while (world.now < latest + 2) {
                world.now++;
                world_check_pages();
        }
}

/* Killed again and again: who attaches anew always has the full length. */
Test(A1, crash_loop) {
        for (unsigned i = 0; i < 5; i++)
                cr_assert_eq(world_attach(0, i == 0 ? SATURATING : 1), 0);
        world_steps(1500);
        for (unsigned i = 0; i < 10; i++) {
                unsigned first = world.n_fakes;

                world_restart_daemon();
                world_steps(20);
                for (unsigned f = 0; f < 5; f++) {
                        cr_assert_eq(world_attach(0, f == 0 ? SATURATING : 1), 0);
                        cr_assert_geq(fake_standing_end(&world.fakes[first + f]),
                                      world.now + 15000);
                }
                world_steps(300);
                for (unsigned f = 0; f < 5; f++)
                        cr_assert_geq(fake_standing_end(&world.fakes[first + f]), world.now + 9999);
        }
}

/* One-shot clients, also right after a restart: what one had serves the others two ticks
 * after it has left. Red when reserve_withdraw() leaves the standing reservations alone. */
Test(standing, a_crowd_of_one_shot_clients) {
        world_restart_daemon();
        for (unsigned i = 0; i < 1100; i++) {
                cr_assert_eq(world_attach(0, 1), 0, "client %u", i);
                cr_assert_eq(fake_standing_end(&world.fakes[i]), world.now + 15000);
                world_detach(&world.fakes[i]);
                world_steps(i % 4 == 0);
        }
        world_steps(2);
        ledger_set_now(world.ledger, world.now);
        cr_expect_eq(ledger_live_count(world.ledger), 0);
        cr_assert_eq(world_attach(0, SATURATING), 0);
        world_step();
        cr_expect_geq(fake_width(&world.fakes[1100]) * 100, RUN_WIDTH * 98);
}

static void reload(int64_t standing_ns, int64_t elastic_ns) {
        struct config other = world_config;

        other.standing_ns = standing_ns;
        other.elastic_ns = elastic_ns;
        reserve_reload(world.reserve, &other);
        world.due = reserve_run(world.reserve, world.now);
}

/* What is promised stays (check_pages()), and runs down to the new length; a longer
 * one comes at once. Red when reserve_reload() does not set it, or is not due. */
Test(standing, of_another_length_after_a_reload) {
        uint64_t promised;

        for (unsigned i = 0; i < 20; i++)
                cr_assert_eq(world_attach(0, 1), 0);
        world_steps(5000);
        promised = fake_standing_end(&world.fakes[3]);
        cr_assert_geq(promised, world.now + 9999);
        reload(INT64_C(2000000000), world_config.elastic_ns);
        while (world.now < promised - 1400) {
                world_step();
                cr_assert_eq(fake_standing_end(&world.fakes[3]), promised,
                             "not extended meanwhile");
        }
        world_steps(500);
        for (unsigned i = 0; i < 10000; i++) {
                world_step();
                for (unsigned f = 0; f < 20; f++) {
                        cr_assert_geq(fake_width(&world.fakes[f]), 1);
                        cr_assert_leq(fake_standing_end(&world.fakes[f]), world.now + 2000);
                        cr_assert_gt(fake_standing_end(&world.fakes[f]), world.now + 900);
                }
        }
        reload(INT64_C(30000000000), world_config.elastic_ns);
        world_steps(50); /* the fence first */
        for (unsigned f = 0; f < 20; f++)
                cr_assert_geq(fake_standing_end(&world.fakes[f]), world.now + 19999);
}

static uint64_t elastic_end(const struct fake *fake) {
        uint64_t end = 0;

        for (unsigned i = SLOT_ELASTIC_A; i <= SLOT_ELASTIC_B; i++) {
                struct rectangle r;

                if (slot_read(&fake->page->slots[0][i], &r) && r.t1 > end)
                        end = r.t1;
        }
        return end;
}

/* Periods of other lengths, both ways and with no common end: nobody is ever without
 * a position, and after a few of them all is shared as before. Red when the length
 * is not taken over: then demand is promised for longer, or shorter, than that. */
Test(U2, periods_of_another_length_after_a_reload) {
        static const int64_t lengths_ms[] = { 20, 200, 34, 1998, 200, 46, 10000, 200 };

        for (unsigned i = 0; i < 4; i++)
                cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(3000);
        for (size_t i = 0; i < sizeof(lengths_ms) / sizeof(lengths_ms[0]); i++) {
                uint64_t ids = 0, before = 0, length = (uint64_t)lengths_ms[i];

                reload(world_config.standing_ns, lengths_ms[i] * 1000000);
                for (unsigned n = 0; n < 10100; n++) { /* until the longest has run out */
                        world_step();
                        for (unsigned f = 0; f < 4; f++)
                                cr_assert_geq(fake_width(&world.fakes[f]), 1);
                }
                cr_assert(elastic_end(&world.fakes[0]) > world.now + length / 2 - 2 &&
                                  elastic_end(&world.fakes[0]) <= world.now + length + 1,
                          "%lu with %lu", (unsigned long)(elastic_end(&world.fakes[0]) - world.now),
                          (unsigned long)length);
                for (unsigned f = 0; f < 4; f++)
                        before += world.fakes[f].ids;
                world_steps(6000);
                for (unsigned f = 0; f < 4; f++)
                        ids += world.fakes[f].ids;
                cr_expect_geq(ids - before, UINT64_C(6000) * RUN_WIDTH / 100 * 95,
                              "%lu of %lu with %lu ms", (unsigned long)(ids - before),
                              6000ul * RUN_WIDTH, (unsigned long)length);
        }
}

Test(standing, half_the_run_and_no_more) {
        unsigned n = 0;
        int r;

        while ((r = world_attach(0, 0)) == 0) {
                cr_assert_lt(++n, CLIENTS_MAX - 1);
                if (n % 64 == 0)
                        world_steps(50);
        }
        cr_expect_eq(r, -ENOSPC);
        cr_expect_geq(n, 1000);
        cr_expect_leq(reserve_totals(world.reserve).positions_standing, RUN_WIDTH / 2);
        cr_expect_eq(reserve_totals(world.reserve).lanes, n, "a refused one is not in the list");
        ledger_close_lane(world.ledger, world.fakes[n].client->lanes[0].entry);
        world.fakes[n].demand = 0;
        free(world.fakes[n].client);
        world.fakes[n].client = NULL;
        world_detach(&world.fakes[0]);
        world_detach(&world.fakes[1]);
        cr_expect_eq(world_attach(0, 0), 0, "room again");
}

/* Widths follow the number of lanes, and the run's lower part stays whole. */
Test(standing, wide_again_when_the_others_are_gone) {
        for (unsigned i = 0; i < 400; i++)
                cr_assert_eq(world_attach(0, 1), 0);
        world_steps(20000);
        cr_expect_eq(fake_width(&world.fakes[399]), 1);
        cr_expect_eq(fake_width(&world.fakes[0]), 1, "narrow with so many");
        for (unsigned i = 0; i < 399; i++)
                world_detach(&world.fakes[i]);
        world_steps(40000);
        cr_expect_eq(fake_width(&world.fakes[399]), 16);
        world.fakes[399].demand = SATURATING;
        world_steps(300);
        cr_expect_geq(fake_width(&world.fakes[399]) * 100, RUN_WIDTH * 98);
}

Test(standing, one_shot_clients_pin_nothing) {
        for (unsigned i = 0; i < 2000; i++) {
                int r = world_attach(0, 1);

                cr_assert_eq(r, 0, "client %u: %d", i, r);
                world_detach(&world.fakes[i]);
                world_step();
        }
        world_steps(1);
        ledger_set_now(world.ledger, world.now);
        cr_expect_eq(ledger_live_count(world.ledger), 0);
}

/* Whose cursor says that it is ahead holds on, for itself alone: what it held rests. */
Test(U2, positions_of_a_gone_client_rest_if_its_cursor_says_so) {
        struct rectangle r;
        uint32_t start;

        cr_assert_eq(world_attach(0, 1), 0);
        world_steps(2000);
        cr_assert(slot_read(&world.fakes[0].page->slots[0][SLOT_STANDING_A], &r));
        world.fakes[0].cursor_tick = world.now + 7000;
        world_detach(&world.fakes[0]);
        cr_assert_eq(world_attach(0, SATURATING), 0);
        for (uint64_t end = world.now + 7002; world.now + 1 < end;) {
                world_step();
                cr_assert(ledger_find_high(world.ledger, world.now, world.now + 1, 1, &start) == 0);
                cr_assert_neq(start, r.start);
        }
        world_steps(1);
        cr_expect_eq(ledger_find_high(world.ledger, world.now, world.now + 1, 16, &start), 0);
        cr_expect_eq(start, r.start);
        world_steps(30000); /* the checker goes on looking at the old page */
        cr_expect_geq(fake_width(&world.fakes[1]) * 100, RUN_WIDTH * 98);
}

Test(U2, positions_of_a_gone_client_serve_others_in_two_ticks) {
        for (unsigned i = 0; i < 4; i++)
                cr_assert_eq(world_attach(i, SATURATING), 0);
        world_steps(2000);
        for (unsigned i = 0; i < 3; i++)
                world_detach(&world.fakes[i]);
        ledger_set_now(world.ledger, world.now + 2);
        cr_expect_leq(ledger_live_count(world.ledger), 3, "of the last one");
        world_steps(300);
        cr_expect_geq(fake_width(&world.fakes[3]) * 100, RUN_WIDTH * 97);
}

Test(U2, a_restarted_daemon_goes_round_what_it_finds) {
        for (unsigned i = 0; i < 10; i++)
                cr_assert_eq(world_attach(i % 4, SATURATING), 0);
        world_steps(1777);
        world_restart_daemon();
        for (unsigned i = 0; i < 10; i++)
                cr_assert_geq(world_attach(i % 4, SATURATING), -EAGAIN);
        world_steps(500);
        for (unsigned i = 10; i < 20; i++)
                cr_expect_geq(fake_width(&world.fakes[i]), 300);
        world_steps(20000);
}

Test(U2, a_daemon_that_was_late) {
        for (unsigned i = 0; i < 5; i++)
                cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(2000);
        for (unsigned i = 0; i < 50; i++) {
                world.now += 37 * i; /* nobody looked in between */
                world_step();
                world_steps(250);
                for (unsigned f = 0; f < 5; f++)
                        cr_assert_geq(fake_width(&world.fakes[f]), 700);
        }
}

Test(U3, a_stalled_fence_stops_everything) {
        cr_assert_eq(world_attach(0, SATURATING), 0);
        world_steps(2000);
        world.lease.stalled = true;
        while (world.now < world.lease.fence + 100) {
                world_step(); /* check_pages() compares */
                cr_assert(fake_width(&world.fakes[0]) > 0 || world.now >= world.lease.fence,
                          "up to the fence");
        }
        cr_expect_eq(fake_width(&world.fakes[0]), 0);
        cr_expect_eq(world_attach(0, 1), -EAGAIN);
        cr_expect_not(reserve_ready(world.reserve, world.fakes[1].client, world.now));
        cr_expect_gt(world.lease.asked, world.now, "it goes on asking");
        world.runs = 0;
        for (unsigned i = 0; i < 5000; i++) {
                world.fakes[0].demand = 0;
                world.fakes[1].demand = 0;
                world_step();
        }
        cr_expect_lt(world.runs, 100, "without hurry");
        world.fakes[0].demand = SATURATING;
        world.lease.stalled = false;
        world.lease.fence = world.lease.asked;
        world.due = reserve_run(world.reserve, world.now); /* as on the lease's eventfd */
        world_step();
        cr_expect_geq(fake_width(&world.fakes[0]), 4000);
        cr_expect_geq(fake_width(&world.fakes[1]), 1);
}

/* A client that came while the fence was passed is served by the next round, whatever
 * another's attach took into the ledger. Until then it waits for the fence. */
Test(U3, who_came_before_the_fence_rose_waits_for_it) {
        char text[FENCE_REFUSAL_TEXT];
        uint32_t retry_ms;

        world.lease.stalled = true;
        world.now = world.lease.fence;
        (void)reserve_run(world.reserve, world.now);
        cr_assert_eq(world_attach(0, 1), -EAGAIN);
        world.lease.fence = world.now + 100000;
        fence_take(&world.fence); /* as the attach of another does */
        cr_expect(fence_refusal(&world.fence, world.now, text, &retry_ms));
        cr_expect_eq(fake_width(&world.fakes[0]), 0);
        (void)reserve_run(world.reserve, world.now);
        cr_expect_not(fence_refusal(&world.fence, world.now, text, &retry_ms));
        cr_expect_gt(fake_width(&world.fakes[0]), 0);
}

Test(U3, the_fence_is_raised_in_time) {
        cr_assert_eq(world_attach(0, 1), 0);
        for (unsigned i = 0; i < 100000; i++) {
                world_step();
                cr_assert_geq(world.lease.fence, world.now + 15000 + 14999);
        }
}

Test(U3, a_cursor_that_cannot_count_further_gets_no_more) {
        world.now += CURSOR_TICK_MAX;
        world.due = reserve_run(world.reserve, world.now);
        cr_assert_eq(world_attach(0, SATURATING), 0);
        world.fakes[0].page->base_tick = world.now + 20000 - CURSOR_TICK_MAX;
        world_steps(19999);
        cr_expect_geq(fake_width(&world.fakes[0]), 4000);
        world_steps(1);
        cr_expect_eq(fake_width(&world.fakes[0]), 0);
        world_steps(100);
        for (unsigned i = 0; i < SLOTS_PER_LANE; i++)
                cr_expect_leq(world.fakes[0].seen[i].t1,
                              world.fakes[0].page->base_tick + CURSOR_TICK_MAX);
}

/* Clients come, go, burst and sleep; the daemon restarts and is late. */
Test(U2, property) {
        unsigned seed = 97531, restarts = 0, n_live = 0;
        uint64_t began = world.now;

        printf("seed %u\n", seed);
        for (unsigned i = 0; i < 30000; i++) {
                unsigned dice = (unsigned)rand_r(&seed) % 1000;
                unsigned one = world.n_fakes > 0 ? (unsigned)rand_r(&seed) % world.n_fakes : 0;

                if (dice < 12 && n_live < 40 && world.n_fakes < CLIENTS_MAX - 1) {
                        int r = world_attach(dice % 4, (unsigned)rand_r(&seed) % 40);

                        cr_assert(r == 0 || r == -EAGAIN);
                        n_live++;
                } else if (dice < 22 && n_live > 0 && world.fakes[one].client) {
                        world_detach(&world.fakes[one]);
                        n_live--;
                } else if (dice < 60 && world.n_fakes > 0) {
                        world.fakes[one].demand = dice % 3 == 0 ? SATURATING
                                                          : (unsigned)rand_r(&seed) % 3000;
                } else if (dice == 60) {
                        world.now += (unsigned)rand_r(&seed) % 500;
                } else if (dice == 61 && i % 4 == 0) {
                        n_live = 0;
                        world_restart_daemon();
                        restarts++;
                } else if (dice == 62) {
                        world.lease.stalled = !world.lease.stalled && world.now - began > 1000;
                }
                world_step();
        }
        cr_expect_gt(restarts, 2);
}
