/* SPDX-License-Identifier: MIT */
/*
 * U2: a reservation that is withdrawn ends in the client's slot first, then, by a reading of
 * the clock made after that, in the journal, and only then for others.
 *
 * Red when ledger_withdraw() ends anything by its first reading, writes the journal first,
 * frees positions below T + 2, forgets the cursor, makes a promise longer, or when a slot can
 * be rewritten before its end in the journal.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "daemon/ledger/withdraw.h"
#include "shm/clock.h"
#include "tests/unit/support/ledger_world.h"

#define SLOT 2u

/* The clock's readings in turn, and what stood in memory at each. */
static struct {
        uint64_t ticks[2];
        unsigned n;
        uint64_t client_t1[2], journal_t1[2];
        uint64_t cursor; /* of every lane */
} fake;

static uint64_t t1_of(const struct slot *slot) {
        return atomic_load(&slot->t1);
}

static uint64_t fake_tick(void *context) {
        unsigned i = fake.n++;

        (void)context;
        cr_assert_lt(i, 2);
        fake.client_t1[i] = t1_of(&world.pages[0][SLOT]);
        fake.journal_t1[i] = t1_of(&world.lanes[0]->record->slots[SLOT]);
        return fake.ticks[i];
}

static uint64_t fake_cursor(const struct client *client, uint32_t lane) {
        (void)client, (void)lane;
        cr_expect_eq(fake.n, 2, "the cursor is read after the barrier");
        return fake.cursor;
}

static void set_up(void) {
        world_begin();
        ledger_set_clock(world.ledger, (struct ledger_clock){ fake_tick, NULL });
}

TestSuite(withdraw, .init = set_up, .fini = world_end);

static uint64_t withdraw_lane(unsigned lane, uint64_t first, uint64_t second) {
        struct withdrawal list[SLOTS_PER_LANE];

        fake.ticks[0] = first;
        fake.ticks[1] = second;
        fake.n = 0;
        for (unsigned i = 0; i < SLOTS_PER_LANE; i++)
                list[i] = (struct withdrawal){ .entry = world.lanes[lane], .slot = i };
        return ledger_withdraw(world.ledger, list, SLOTS_PER_LANE, fake_cursor);
}

static struct rectangle held(unsigned lane, unsigned slot) {
        struct rectangle r = { .width = 0 };

        (void)ledger_slot(world.ledger, world.lanes[lane], slot, &r);
        return r;
}

Test(withdraw, ends_two_ticks_after_the_second_reading) {
        cr_assert_eq(world_grant(0, SLOT, RUN_START, 64, 1000, 16000), 0);
        ledger_set_now(world.ledger, 1100);
        cr_expect_eq(withdraw_lane(0, 1100, 1107), 1109);
        /* at the first reading everything stood, at the second only the client's slot ended */
        cr_expect_eq(fake.client_t1[0], 16000);
        cr_expect_eq(fake.client_t1[1], 1102);
        cr_expect_eq(fake.journal_t1[1], 16000);
        cr_expect_eq(held(0, SLOT).t1, 1109);
        cr_expect_eq(world_grant(1, SLOT, RUN_START, 64, 1108, 2000), -EBUSY);
        cr_expect_eq(world_grant(1, SLOT, RUN_START, 64, 1109, 2000), 0);
}

Test(withdraw, many_at_once) {
        struct withdrawal list[4];
        uint32_t start, width;

        for (unsigned lane = 0; lane < 4; lane++) {
                cr_assert_eq(world_grant(lane, SLOT, RUN_START + lane * 1024, 1024, 1000, 9000), 0);
                list[lane] = (struct withdrawal){ .entry = world.lanes[lane], .slot = SLOT };
        }
        fake.ticks[0] = fake.ticks[1] = 1000;
        cr_expect_eq(ledger_withdraw(world.ledger, list, 4, fake_cursor), 1002);
        ledger_widest_gap(world.ledger, 1001, 1003, &start, &width);
        cr_expect_eq(width, 0);
        ledger_widest_gap(world.ledger, 1002, 9000, &start, &width);
        cr_expect_eq(width, RUN_WIDTH);
}

Test(withdraw, never_makes_a_promise_longer) {
        cr_assert_eq(world_grant(0, 0, RUN_START, 64, 1000, 1102), 0);
        cr_assert_eq(world_grant(0, 1, RUN_START + 64, 64, 1000, 1105), 0);
        ledger_set_now(world.ledger, 1100);
        cr_expect_eq(withdraw_lane(0, 1100, 5000), 1105);
        cr_expect_eq(held(0, 0).t1, 1102, "what ends within two ticks is left alone");
        cr_expect_eq(t1_of(&world.pages[0][0]), 1102);
        cr_expect_eq(held(0, 1).t1, 1105, "the clock stood still for long");
        cr_expect_eq(t1_of(&world.pages[0][1]), 1102);
}

/* Rule 2: the client's slot has run out before the journal's has. */
Test(withdraw, slot_is_rewritten_after_its_end_in_the_journal) {
        cr_assert_eq(world_grant(0, SLOT, RUN_START, 64, 1000, 16000), 0);
        (void)withdraw_lane(0, 1000, 1010);
        ledger_set_now(world.ledger, 1011);
        cr_assert_eq(t1_of(&world.pages[0][SLOT]), 1002);
        cr_expect_eq(world_grant(0, SLOT, RUN_START + 512, 64, 1012, 2000), -EBUSY);
        cr_expect_eq(world_grant(0, SLOT + 1, RUN_START, 64, 1012, 2000), 0, "another slot");
        ledger_set_now(world.ledger, 1012);
        cr_expect_eq(world_grant(0, SLOT, RUN_START + 512, 64, 1012, 2000), 0);
}

Test(withdraw, cursor_ahead_of_the_clock_lengthens_the_own_hold) {
        cr_assert_eq(world_grant(0, SLOT, RUN_START, 64, 1000, 16000), 0);
        cr_assert_eq(world_grant(1, SLOT, RUN_START + 64, 64, 1000, 16000), 0);
        fake.cursor = 1500;
        cr_expect_eq(withdraw_lane(0, 1000, 1000), 1502);
        fake.cursor = UINT64_MAX; /* it cannot be read, or lies */
        cr_expect_eq(withdraw_lane(1, 1000, 1000), 16000);
        cr_expect_eq(world_grant(2, SLOT, RUN_START + 64, 64, 2000, 3000), -EBUSY);
        cr_expect_eq(world_grant(2, SLOT, RUN_START, 64, 2000, 3000), 0);
}

/* A successor that has not begun is empty, and its record rests until both have ended. */
Test(withdraw, what_has_not_begun_holds_nothing) {
        struct rectangle r;

        cr_assert_eq(world_grant(0, 0, RUN_START, 64, 1000, 1500), 0);
        cr_assert_eq(world_grant(0, 1, RUN_START + 64, 64, 1500, 9000), 0);
        cr_expect_eq(withdraw_lane(0, 1000, 1000), 1002);
        cr_assert(slot_read(&world.pages[0][1], &r));
        for (uint64_t tick = 1000; tick < 9000; tick++)
                cr_assert_not(rectangle_at(&r, tick));
        cr_expect_eq(world_grant(1, 0, RUN_START, 128, 1002, 9000), 0);
        world_restart(1001);
        cr_expect_eq(ledger_live_count(world.ledger), 3);
        world_restart(1002);
        cr_expect_eq(ledger_live_count(world.ledger), 1);
}

Test(withdraw, what_ended_later_than_the_grant_begins_keeps_that_part) {
        cr_assert_eq(world_grant(0, 1, RUN_START, 64, 1003, 9000), 0);
        cr_expect_eq(withdraw_lane(0, 1000, 1050), 1052);
        cr_expect_eq(world_grant(1, 0, RUN_START, 64, 1010, 1020), -EBUSY);
}

Test(withdraw, can_be_extended_again) {
        cr_assert_eq(world_grant(0, SLOT, RUN_START, 64, 1000, 16000), 0);
        (void)withdraw_lane(0, 1000, 1000);
        cr_expect_eq(ledger_extend(world.ledger, world.lanes[0], SLOT, 3000), 0);
        cr_expect_eq(t1_of(&world.pages[0][SLOT]), 3000);
        cr_expect_eq(world_grant(1, SLOT, RUN_START, 64, 2999, 4000), -EBUSY);
}

Test(withdraw, nothing_without_a_clock) {
        cr_assert_eq(world_grant(0, SLOT, RUN_START, 64, 1000, 16000), 0);
        cr_expect_eq(withdraw_lane(0, CLOCK_NOW_INVALID, 1000), 16000);
        cr_expect_eq(withdraw_lane(0, 1000, CLOCK_NOW_INVALID), 16000);
        ledger_set_clock(world.ledger, (struct ledger_clock){ .tick = NULL });
        cr_expect_eq(withdraw_lane(0, 1000, 1000), 16000);
        cr_expect_eq(withdraw_lane(1, 1000, 1000), 0, "it holds nothing");
}
