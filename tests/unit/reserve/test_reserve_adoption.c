/* SPDX-License-Identifier: MIT */
/* A daemon that goes on with the clients of the one before: they notice nothing. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/support/reserve_world.h"

TestSuite(adoption, .init = world_begin, .fini = world_end);

/* Another daemon, with the same clients. */
static void take_over(void) {
        world.reserve = reserve_free(world.reserve);
        world.ledger = ledger_free(world.ledger);
        cr_assert_eq(ledger_new(&world.ledger, world.segment, (struct run){ RUN_START, RUN_WIDTH },
                                world.now),
                     0);
        fence_init(&world.fence, &world.lease, world.ledger, id_tick_max(&world_config.layout));
        cr_assert_eq(reserve_new(&world.reserve, &world_config, world.ledger, &world.fence, NULL),
                     0);
        for (unsigned i = 0; i < world.n_fakes; i++) {
                struct client *client = world.fakes[i].client;

                if (!client)
                        continue;
                memset(&client->lanes[0], 0, sizeof(client->lanes[0]));
                cr_assert_eq(ledger_adopt_lane(world.ledger, client->id + 1, 0,
                                               world.fakes[i].page->slots[0],
                                               &client->lanes[0].entry),
                             0);
                cr_assert_eq(reserve_adopt(world.reserve, client, world.now), 0);
        }
        ledger_end_adoption(world.ledger);
        world.due = reserve_run(world.reserve, world.now);
}

/* At any tick of a period. Red without elastic_adopt(): it is narrow for a moment,
 * at the end of what it holds. */
Test(adoption, a_busy_one_stays_wide) {
        for (unsigned i = 0; i < 40; i++) {
                uint64_t before;

                if (i == 0)
                        cr_assert_eq(world_attach(0, 3000), 0);
                world_steps(1007);
                before = world.fakes[0].ids;
                world_steps(300);
                cr_assert_eq(world.fakes[0].ids - before, 300 * 3000, "before");
                take_over();
                world_steps(500);
                cr_assert_eq(world.fakes[0].ids - before, 800 * 3000, "round %u", i);
        }
}

/* Red when they are not charged, or not in the list. */
Test(adoption, standing_ones_stay) {
        for (unsigned i = 0; i < 500; i++)
                cr_assert_eq(world_attach(i % 4, 1), 0);
        world_steps(3000);
        for (unsigned round = 0; round < 5; round++) {
                take_over();
                cr_expect_eq(reserve_totals(world.reserve).lanes, 500);
                world_steps(7000);
                for (unsigned i = 0; i < 500; i++)
                        cr_assert_gt(fake_standing_end(&world.fakes[i]), world.now + 7000,
                                     "client %u", i);
        }
        for (unsigned i = 0; i < 500; i++)
                world_detach(&world.fakes[i]);
        cr_expect_eq(world_attach(0, 1), 0);
        world_steps(100);
        cr_expect_eq(reserve_totals(world.reserve).lanes, 1);
}

/* After a daemon was away so long that all has run out. */
Test(adoption, what_has_run_out_is_granted_anew) {
        cr_assert_eq(world_attach(0, 1), 0);
        world_steps(2000);
        world.now += 60000;
        world.lease.fence = world.now + 100000;
        take_over();
        world_steps(1);
        cr_expect_geq(fake_width(&world.fakes[0]), 1);
        cr_expect_gt(fake_standing_end(&world.fakes[0]), world.now + 10000, "it is not young");
}

/* No cap, and no part of the lanes, takes away what is held. Red when
 * reserve_adopt() asks for them. */
Test(adoption, asks_for_no_limit) {
        for (unsigned i = 0; i < 8; i++)
                cr_assert_eq(world_attach(0, 1), 0);
        world_steps(2000);
        world.accounts[0].uid_cap = 3000;
        take_over();
        world_steps(20000);
        for (unsigned i = 0; i < 8; i++)
                cr_expect_gt(fake_standing_end(&world.fakes[i]), world.now, "client %u", i);
}
