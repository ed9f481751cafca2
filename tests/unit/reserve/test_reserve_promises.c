/* SPDX-License-Identifier: MIT */
/* What is promised is kept, whoever comes, goes, stalls or dies. */
#include "tests/unit/reserve_world.h"

TestSuite(U2, .init = set_up, .fini = tear_down);
TestSuite(U3, .init = set_up, .fini = tear_down);
TestSuite(A1, .init = set_up, .fini = tear_down);
TestSuite(standing, .init = set_up, .fini = tear_down);

Test(standing, short_while_young_then_long) {
        struct rectangle r;

        cr_assert_eq(attach(0, 1), 0);
        cr_assert(slot_read(&fakes[0].page->slots[0][SLOT_STANDING_A], &r));
        cr_expect_eq(r.t1, now + 100);
        for (unsigned i = 0; i < 950; i++) {
                step();
                cr_assert_eq(width_of(&fakes[0]), 16, "kept going");
                cr_assert(slot_read(&fakes[0].page->slots[0][SLOT_STANDING_A], &r));
                cr_assert_leq(r.t1, now + 100);
        }
        steps(200);
        cr_assert(slot_read(&fakes[0].page->slots[0][SLOT_STANDING_A], &r));
        cr_expect_geq(r.t1, now + 14000);
        for (unsigned i = 0; i < 40000; i++) {
                step();
                cr_assert(slot_read(&fakes[0].page->slots[0][SLOT_STANDING_A], &r));
                cr_assert_geq(r.t1, now + 9999, "at least two thirds");
        }
}

/* A plan sees the young ones' places, although they end before it begins. */
Test(standing, young_ones_outlive_the_next_plan) {
        for (unsigned i = 0; i < 30; i++)
                cr_assert_eq(attach(0, i == 29 ? SATURATING : 1), 0);
        for (unsigned i = 0; i < 1500; i++) {
                step();
                for (unsigned f = 0; f < 30; f++)
                        cr_assert_geq(width_of(&fakes[f]), 1, "client %u after %u", f, i);
        }
}

/* A hundred idle clients that came at different times: less than one wake-up a second. */
Test(standing, idle_clients_wake_nobody) {
        for (unsigned i = 0; i < 100; i++) {
                cr_assert_eq(attach(0, 1), 0);
                steps(37);
        }
        steps(20000);
        runs = 0;
        steps(60000);
        cr_expect_lt(runs, 60);
        cr_expect_gt(runs, 0);
}

Test(A1, a_daemon_that_stays_away_leaves_the_standing_one) {
        for (unsigned i = 0; i < 5; i++)
                cr_assert_eq(attach(0, i == 0 ? SATURATING : 1), 0);
        steps(3000);
        due = UINT64_MAX;
        now += 9998;
        for (unsigned i = 0; i < 5; i++)
                cr_expect_geq(width_of(&fakes[i]), 1);
}

/* At a clean stop all end together, and no later than the one that ended last. Red
 * without standing_align_ends(): they differ by up to a third of reserve.standing. */
Test(A1, a_clean_stop_levels_the_standing_ones) {
        uint64_t latest = 0;

        for (unsigned i = 0; i < 5; i++) {
                cr_assert_eq(attach(0, i == 0 ? SATURATING : 1), 0);
                steps(1500);
        }
        cr_assert_eq(attach(0, 1), 0);
        for (unsigned i = 0; i < 5; i++)
                latest = standing_end(&fakes[i]) > latest ? standing_end(&fakes[i]) : latest;
        reserve_align_ends(reserve, now);
        check_pages();
        for (unsigned i = 0; i < 5; i++)
                cr_expect_eq(standing_end(&fakes[i]), latest);
        cr_expect_leq(standing_end(&fakes[5]), now + 100, "a one-shot client pins nothing");
        due = UINT64_MAX;
        while (now < latest + 2) {
                now++;
                check_pages();
        }
}

/* Killed again and again, too soon for anybody to grow old: who attaches anew
 * always has the full length. Red when young() ignores what was adopted. */
Test(A1, crash_loop) {
        for (unsigned i = 0; i < 5; i++)
                cr_assert_eq(attach(0, i == 0 ? SATURATING : 1), 0);
        steps(1500);
        for (unsigned i = 0; i < 10; i++) {
                unsigned first = n_fakes;

                restart_daemon();
                steps(20);
                for (unsigned f = 0; f < 5; f++) {
                        cr_assert_eq(attach(0, f == 0 ? SATURATING : 1), 0);
                        cr_assert_geq(standing_end(&fakes[first + f]), now + 15000);
                }
                steps(300);
                for (unsigned f = 0; f < 5; f++)
                        cr_assert_geq(standing_end(&fakes[first + f]), now + 9999);
        }
}

/* One-shot clients after a restart: they pin part of the run, once. */
Test(A1, a_crowd_after_a_restart) {
        uint64_t began = now;

        restart_daemon();
        for (unsigned i = 0; i < 1100; i++) {
                cr_assert_eq(attach(0, 1), 0, "client %u", i);
                cr_assert_eq(standing_end(&fakes[i]) < now + 15000, i >= RUN_WIDTH / 4);
                detach(&fakes[i]);
                steps(i % 4 == 0);
        }
        cr_assert_eq(attach(0, SATURATING), 0);
        steps(300);
        cr_expect_geq(width_of(&fakes[1100]), RUN_WIDTH / 2);
        while (now < began + 5000)
                step();
        cr_assert_eq(attach(0, 1), 0);
        cr_expect_leq(standing_end(&fakes[1101]), now + 100, "young as ever");
        steps(35000);
        cr_expect_geq(width_of(&fakes[1100]) * 100, RUN_WIDTH * 97, "it was once");
}

static void reload(int64_t standing_ns, int64_t elastic_ns) {
        struct config other = config;

        other.standing_ns = standing_ns;
        other.elastic_ns = elastic_ns;
        reserve_reload(reserve, &other);
        due = reserve_run(reserve, now);
}

/* What is promised stays (check_pages()), and runs down to the new length; a longer
 * one comes at once. Red when reserve_reload() does not set it, or is not due. */
Test(standing, of_another_length_after_a_reload) {
        uint64_t promised;

        for (unsigned i = 0; i < 20; i++)
                cr_assert_eq(attach(0, 1), 0);
        steps(5000);
        promised = standing_end(&fakes[3]);
        cr_assert_geq(promised, now + 9999);
        reload(INT64_C(2000000000), config.elastic_ns);
        while (now < promised - 1400) {
                step();
                cr_assert_eq(standing_end(&fakes[3]), promised, "not extended meanwhile");
        }
        steps(500);
        for (unsigned i = 0; i < 10000; i++) {
                step();
                for (unsigned f = 0; f < 20; f++) {
                        cr_assert_geq(width_of(&fakes[f]), 1);
                        cr_assert_leq(standing_end(&fakes[f]), now + 2000);
                        cr_assert_gt(standing_end(&fakes[f]), now + 900);
                }
        }
        reload(INT64_C(30000000000), config.elastic_ns);
        steps(50); /* the fence first */
        for (unsigned f = 0; f < 20; f++)
                cr_assert_geq(standing_end(&fakes[f]), now + 19999);
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
                cr_assert_eq(attach(0, SATURATING), 0);
        steps(3000);
        for (size_t i = 0; i < sizeof(lengths_ms) / sizeof(lengths_ms[0]); i++) {
                uint64_t ids = 0, before = 0, length = (uint64_t)lengths_ms[i];

                reload(config.standing_ns, lengths_ms[i] * 1000000);
                for (unsigned n = 0; n < 10100; n++) { /* until the longest has run out */
                        step();
                        for (unsigned f = 0; f < 4; f++)
                                cr_assert_geq(width_of(&fakes[f]), 1);
                }
                cr_assert(elastic_end(&fakes[0]) > now + length / 2 - 2 &&
                          elastic_end(&fakes[0]) <= now + length + 1, "%lu with %lu",
                          (unsigned long)(elastic_end(&fakes[0]) - now), (unsigned long)length);
                for (unsigned f = 0; f < 4; f++)
                        before += fakes[f].ids;
                steps(6000);
                for (unsigned f = 0; f < 4; f++)
                        ids += fakes[f].ids;
                cr_expect_geq(ids - before, UINT64_C(6000) * RUN_WIDTH / 100 * 95,
                              "%lu of %lu with %lu ms", (unsigned long)(ids - before),
                              6000ul * RUN_WIDTH, (unsigned long)length);
        }
}

Test(standing, half_the_run_and_no_more) {
        unsigned n = 0;
        int r;

        while ((r = attach(0, 0)) == 0) {
                cr_assert_lt(++n, CLIENTS_MAX - 1);
                if (n % 64 == 0)
                        steps(50);
        }
        cr_expect_eq(r, -ENOSPC);
        cr_expect_geq(n, 1000);
        cr_expect_leq(reserve_totals(reserve).positions_standing, RUN_WIDTH / 2);
        cr_expect_eq(reserve_totals(reserve).lanes, n, "a refused one is not in the list");
        ledger_close_lane(ledger, fakes[n].client->lanes[0].entry);
        fakes[n].demand = 0;
        free(fakes[n].client);
        fakes[n].client = NULL;
        detach(&fakes[0]);
        detach(&fakes[1]);
        cr_expect_eq(attach(0, 0), 0, "room again");
}

/* Widths follow the number of lanes, and the run's lower part stays whole. */
Test(standing, wide_again_when_the_others_are_gone) {
        for (unsigned i = 0; i < 400; i++)
                cr_assert_eq(attach(0, 1), 0);
        steps(20000);
        cr_expect_eq(width_of(&fakes[399]), 1);
        cr_expect_eq(width_of(&fakes[0]), 1, "narrow with so many");
        for (unsigned i = 0; i < 399; i++)
                detach(&fakes[i]);
        steps(40000);
        cr_expect_eq(width_of(&fakes[399]), 16);
        fakes[399].demand = SATURATING;
        steps(300);
        cr_expect_geq(width_of(&fakes[399]) * 100, RUN_WIDTH * 98);
}

Test(standing, one_shot_clients_pin_nothing) {
        for (unsigned i = 0; i < 2000; i++) {
                int r = attach(0, 1);

                cr_assert_eq(r, 0, "client %u: %d", i, r);
                detach(&fakes[i]);
                step();
        }
        steps(100);
        ledger_set_now(ledger, now);
        cr_expect_eq(ledger_live_count(ledger), 0);
}

Test(U2, positions_of_a_gone_client_rest) {
        struct rectangle r;
        uint32_t start;

        cr_assert_eq(attach(0, 1), 0);
        steps(2000);
        cr_assert(slot_read(&fakes[0].page->slots[0][SLOT_STANDING_A], &r));
        detach(&fakes[0]);
        cr_assert_eq(attach(0, SATURATING), 0);
        while (now + 1 < r.t1) {
                step();
                cr_assert(ledger_find_high(ledger, now, now + 1, 1, &start) == 0);
                cr_assert_neq(start, r.start);
        }
        steps(30000); /* the checker goes on looking at the old page */
        cr_expect_geq(width_of(&fakes[1]) * 100, RUN_WIDTH * 98);
}

Test(U2, a_restarted_daemon_goes_round_what_it_finds) {
        for (unsigned i = 0; i < 10; i++)
                cr_assert_eq(attach(i % 4, SATURATING), 0);
        steps(1777);
        restart_daemon();
        for (unsigned i = 0; i < 10; i++)
                cr_assert_geq(attach(i % 4, SATURATING), -EAGAIN);
        steps(500);
        for (unsigned i = 10; i < 20; i++)
                cr_expect_geq(width_of(&fakes[i]), 300);
        steps(20000);
}

Test(U2, a_daemon_that_was_late) {
        for (unsigned i = 0; i < 5; i++)
                cr_assert_eq(attach(0, SATURATING), 0);
        steps(2000);
        for (unsigned i = 0; i < 50; i++) {
                now += 37 * i; /* nobody looked in between */
                step();
                steps(250);
                for (unsigned f = 0; f < 5; f++)
                        cr_assert_geq(width_of(&fakes[f]), 700);
        }
}

Test(U3, a_stalled_fence_stops_everything) {
        cr_assert_eq(attach(0, SATURATING), 0);
        steps(2000);
        lease.stalled = true;
        while (now < lease.fence + 100) {
                step(); /* check_pages() compares */
                cr_assert(width_of(&fakes[0]) > 0 || now >= lease.fence, "up to the fence");
        }
        cr_expect_eq(width_of(&fakes[0]), 0);
        cr_expect_eq(attach(0, 1), -EAGAIN);
        cr_expect_not(reserve_ready(reserve, fakes[1].client, now));
        cr_expect_gt(lease.asked, now, "it goes on asking");
        runs = 0;
        for (unsigned i = 0; i < 5000; i++) {
                fakes[0].demand = 0;
                fakes[1].demand = 0;
                step();
        }
        cr_expect_lt(runs, 100, "without hurry");
        fakes[0].demand = SATURATING;
        lease.stalled = false;
        lease.fence = lease.asked;
        due = reserve_run(reserve, now); /* as on the lease's eventfd */
        step();
        cr_expect_geq(width_of(&fakes[0]), 4000);
        cr_expect_geq(width_of(&fakes[1]), 1);
}

Test(U3, the_fence_is_raised_in_time) {
        cr_assert_eq(attach(0, 1), 0);
        for (unsigned i = 0; i < 100000; i++) {
                step();
                cr_assert_geq(lease.fence, now + 15000 + 14999);
        }
}

Test(U3, a_cursor_that_cannot_count_further_gets_no_more) {
        now += CURSOR_TICK_MAX;
        due = reserve_run(reserve, now);
        cr_assert_eq(attach(0, SATURATING), 0);
        fakes[0].page->base_tick = now + 5000 - CURSOR_TICK_MAX;
        steps(4999);
        cr_expect_geq(width_of(&fakes[0]), 4000);
        steps(1);
        cr_expect_eq(width_of(&fakes[0]), 0);
        steps(100);
        for (unsigned i = 0; i < SLOTS_PER_LANE; i++)
                cr_expect_leq(fakes[0].seen[i].t1, fakes[0].page->base_tick + CURSOR_TICK_MAX);
}

/* Clients come, go, burst and sleep; the daemon restarts and is late. */
Test(U2, property) {
        unsigned seed = 97531, restarts = 0, n_live = 0;
        uint64_t began = now;

        printf("seed %u\n", seed);
        for (unsigned i = 0; i < 30000; i++) {
                unsigned dice = (unsigned)rand_r(&seed) % 1000;
                unsigned one = n_fakes > 0 ? (unsigned)rand_r(&seed) % n_fakes : 0;

                if (dice < 12 && n_live < 40 && n_fakes < CLIENTS_MAX - 1) {
                        int r = attach(dice % 4, (unsigned)rand_r(&seed) % 40);

                        cr_assert(r == 0 || r == -EAGAIN);
                        n_live++;
                } else if (dice < 22 && n_live > 0 && fakes[one].client) {
                        detach(&fakes[one]);
                        n_live--;
                } else if (dice < 60 && n_fakes > 0) {
                        fakes[one].demand = dice % 3 == 0 ? SATURATING
                                                          : (unsigned)rand_r(&seed) % 3000;
                } else if (dice == 60) {
                        now += (unsigned)rand_r(&seed) % 500;
                } else if (dice == 61 && i % 4 == 0) {
                        n_live = 0;
                        restart_daemon();
                        restarts++;
                } else if (dice == 62) {
                        lease.stalled = !lease.stalled && now - began > 1000;
                }
                step();
        }
        cr_expect_gt(restarts, 2);
}
