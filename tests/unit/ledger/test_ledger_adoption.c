/* SPDX-License-Identifier: MIT */
/* A daemon goes on with the lanes of the clients of one that died. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/ledger_world.h"

static void no_step(void) {
}

TestSuite(adoption, .init = world_begin, .fini = world_end);

/* Red when a lane can be had twice, by another client, or after the adoption. */
Test(adoption, by_its_client_and_once) {
        struct ledger_entry *entry = NULL;
        uint32_t n = 0;

        cr_assert_eq(world_grant(1, 0, 9000, 64, 1000, 3000), 0);
        world_restart(1500);
        cr_expect_null(ledger_former(world.ledger, 99, &n));
        cr_expect_null(ledger_former(world.ledger, 0, &n));
        cr_assert_eq(ledger_former(world.ledger, 2, &n), &world.segment->lanes[1]);
        cr_expect_eq(n, 1);
        cr_expect_eq(ledger_adopt_lane(world.ledger, 2, 1, world.pages[1], &entry), -ENOENT);
        cr_expect_eq(ledger_adopt_lane(world.ledger, 99, 0, world.pages[1], &entry), -ENOENT);
        cr_expect_null(entry);
        cr_assert_eq(ledger_adopt_lane(world.ledger, 2, 0, world.pages[1], &entry), 0);
        cr_expect_eq(entry->record, &world.segment->lanes[1]);
        cr_expect_eq(ledger_adopt_lane(world.ledger, 2, 0, world.pages[1], &entry), -ENOENT);
        cr_expect_eq(ledger_extend(world.ledger, entry, 0, 4000), 0);
        ledger_end_adoption(world.ledger);
        cr_expect_eq(ledger_adopt_lane(world.ledger, 1, 0, world.pages[0], &entry), -ENOENT);
        cr_expect_eq(atomic_load(&world.segment->lanes[0].client), 0);
        cr_expect_eq(atomic_load(&world.segment->lanes[1].client), 2);
}

/* Red when ledger_new() forgets whose the records are. */
Test(adoption, by_the_daemon_after_one_that_died_before_it) {
        struct ledger_entry *entry;

        world_restart(1500);
        world_restart(1600);
        cr_expect_eq(ledger_adopt_lane(world.ledger, 1, 0, world.pages[0], &entry), 0);
        cr_assert_eq(ledger_open_lane(world.ledger, 50, 0, 0, 0, world.pages[10], &entry), 0);
        world_restart(1700);
        cr_expect_eq(ledger_adopt_lane(world.ledger, 2, 0, world.pages[1], &entry), -ENOENT,
                     "it did not come when it could");
        cr_expect_eq(ledger_adopt_lane(world.ledger, 1, 0, world.pages[0], &entry), 0);
}

/* Lanes twice, or missing: foreign. */
Test(adoption, of_a_whole_client_only) {
        uint32_t n;

        world.segment->lanes[1].lane = 1;
        atomic_store(&world.segment->lanes[1].client, 1);
        world.segment->lanes[2].lane = 2;
        world_restart(1500);
        cr_expect_not_null(ledger_former(world.ledger, 1, &n));
        cr_expect_eq(n, 2);
        cr_expect_null(ledger_former(world.ledger, 3, &n), "without lanes 0 and 1");
        world.segment->lanes[1].lane = 0;
        world_restart(1500);
        cr_expect_null(ledger_former(world.ledger, 1, &n), "lane 0 twice");
}

/* Red when any page that a record is found for is believed. */
Test(adoption, refuses_what_no_kill_leaves) {
        static const struct rectangle later = { .start = 9000, .width = 64, .t0 = 1000,
                                                .t1 = 9999 };
        struct ledger_entry *entry = NULL;

        (void)slot_grant(&world.pages[0][1], &later, no_step);
        cr_assert_eq(world_grant(1, 0, 8500, 64, 1000, 3000), 0);
        cr_assert_eq(slot_extend(&world.pages[1][0], 3500), 0);
        cr_assert_eq(world_grant(2, 0, 8700, 64, 1000, 3000), 0);
        atomic_store(&world.pages[2][0].span, span_pack(8701, 64));
        world_restart(1500);
        for (unsigned i = 0; i < 3; i++)
                cr_expect_eq(ledger_adopt_lane(world.ledger, i + 1, 0, world.pages[i], &entry),
                             -EBADMSG);
        cr_expect_null(entry);
        cr_expect_eq(ledger_adopt_lane(world.ledger, 4, 0, world.pages[3], &entry), 0);
}

/* Red when recovery_repair_slot() copies what has run out. */
Test(adoption, of_a_record_which_was_anothers) {
        struct rectangle r;

        cr_assert_eq(world_grant(0, 0, 9000, 64, 1000, 1100), 0);
        ledger_set_now(world.ledger, 1200);
        world.lanes[0] = ledger_close_lane(world.ledger, world.lanes[0]);
        cr_assert_eq(ledger_open_lane(world.ledger, 77, 0, 0, 0, world.pages[20], &world.lanes[0]),
                     0);
        cr_assert_eq(world.lanes[0]->record, &world.segment->lanes[0], "the same record");
        world_restart(1200);
        cr_assert_eq(ledger_adopt_lane(world.ledger, 77, 0, world.pages[20], &world.lanes[0]), 0);
        cr_expect(slot_read(&world.pages[20][0], &r));
        cr_expect_eq(r.width, 0, "it never was that client's");
}
