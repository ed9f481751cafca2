/* SPDX-License-Identifier: MIT */
/* A daemon that goes on with the clients of the one before: they notice nothing. */
#include "tests/unit/reserve_world.h"

TestSuite(adoption, .init = set_up, .fini = tear_down);

/* Another daemon, with the same clients. */
static void take_over(void) {
        reserve = reserve_free(reserve);
        ledger = ledger_free(ledger);
        cr_assert_eq(ledger_new(&ledger, segment, (struct run){ RUN_START, RUN_WIDTH }, now), 0);
        fence_init(&fence, &lease, ledger, id_tick_max(&config.layout));
        cr_assert_eq(reserve_new(&reserve, &config, ledger, &fence, NULL), 0);
        reserve_begin_grace(reserve, now);
        for (unsigned i = 0; i < n_fakes; i++) {
                struct client *client = fakes[i].client;

                if (!client)
                        continue;
                memset(&client->lanes[0], 0, sizeof(client->lanes[0]));
                cr_assert_eq(ledger_adopt_lane(ledger, client->id + 1, 0, fakes[i].page->slots[0],
                                               &client->lanes[0].entry), 0);
                cr_assert_eq(reserve_adopt(reserve, client, now), 0);
        }
        ledger_end_adoption(ledger);
        due = reserve_run(reserve, now);
}

/* At any tick of a period. Red without elastic_adopt(): it is narrow for a moment,
 * at the end of what it holds. */
Test(adoption, a_busy_one_stays_wide) {
        for (unsigned i = 0; i < 40; i++) {
                uint64_t before;

                if (i == 0)
                        cr_assert_eq(attach(0, 3000), 0);
                steps(1007);
                before = fakes[0].ids;
                steps(300);
                cr_assert_eq(fakes[0].ids - before, 300 * 3000, "before");
                take_over();
                steps(500);
                cr_assert_eq(fakes[0].ids - before, 800 * 3000, "round %u", i);
        }
}

/* Red when they are not charged, or not in the list. */
Test(adoption, standing_ones_stay) {
        for (unsigned i = 0; i < 500; i++)
                cr_assert_eq(attach(i % 4, 1), 0);
        steps(3000);
        for (unsigned round = 0; round < 5; round++) {
                take_over();
                cr_expect_eq(reserve_totals(reserve).lanes, 500);
                steps(7000);
                for (unsigned i = 0; i < 500; i++)
                        cr_assert_gt(standing_end(&fakes[i]), now + 7000, "client %u", i);
        }
        for (unsigned i = 0; i < 500; i++)
                detach(&fakes[i]);
        cr_expect_eq(attach(0, 1), 0);
        steps(100);
        cr_expect_eq(reserve_totals(reserve).lanes, 1);
}

/* After a daemon was away so long that all has run out. */
Test(adoption, what_has_run_out_is_granted_anew) {
        cr_assert_eq(attach(0, 1), 0);
        steps(2000);
        now += 60000;
        lease.fence = now + 100000;
        take_over();
        steps(1);
        cr_expect_geq(width_of(&fakes[0]), 1);
        cr_expect_gt(standing_end(&fakes[0]), now + 10000, "it is not young");
}

/* No cap, and no part of the lanes, takes away what is held. Red when
 * reserve_adopt() asks for them. */
Test(adoption, asks_for_no_limit) {
        for (unsigned i = 0; i < 8; i++)
                cr_assert_eq(attach(0, 1), 0);
        steps(2000);
        accounts[0].uid_cap = 3000;
        take_over();
        steps(20000);
        for (unsigned i = 0; i < 8; i++)
                cr_expect_gt(standing_end(&fakes[i]), now, "client %u", i);
}
