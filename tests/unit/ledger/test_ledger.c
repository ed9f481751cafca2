/* SPDX-License-Identifier: MIT */
/* The ledger refuses whatever would break an invariant, whoever asks. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/ledger_world.h"

TestSuite(U2, .init = world_begin, .fini = world_end);
TestSuite(U3, .init = world_begin, .fini = world_end);
TestSuite(rule2, .init = world_begin, .fini = world_end);
TestSuite(rule4, .init = world_begin, .fini = world_end);
TestSuite(recovery, .init = world_begin, .fini = world_end);
TestSuite(gaps, .init = world_begin, .fini = world_end);
TestSuite(lanes, .init = world_begin, .fini = world_end);

Test(U2, overlap_is_busy) {
        cr_assert_eq(world_grant(0, 0, 8192, 100, 1000, 1100), 0);
        cr_expect_eq(world_grant(1, 0, 8192, 1, 1000, 1001), -EBUSY);
        cr_expect_eq(world_grant(1, 0, 8291, 50, 1099, 1200), -EBUSY);
        cr_expect_eq(world_grant(0, 1, 8200, 10, 1050, 1060), -EBUSY,
                     "its own lane is no exception");
        cr_expect_eq(atomic_load(&world.pages[1][0].sequence), 0, "nothing is written");
        cr_expect_eq(world_grant(1, 0, 8292, 50, 1000, 1200), 0, "beside it");
        cr_expect_eq(world_grant(2, 0, 8192, 100, 1100, 1200), 0, "behind it");
        cr_expect_eq(ledger_live_count(world.ledger), 3);
}

Test(U2, narrow_ones_under_a_wide_one_are_seen) {
        /* the search must look as far down as the widest live one reaches */
        cr_assert_eq(world_grant(0, 0, 8192, 4000, 1000, 1100), 0);
        cr_assert_eq(world_grant(1, 0, 8200, 1, 1100, 1200), 0);
        cr_expect_eq(world_grant(2, 0, 12100, 1, 1000, 1050), -EBUSY);
        cr_expect_eq(world_grant(2, 0, 12191, 1, 1050, 1051), -EBUSY);
        cr_expect_eq(world_grant(2, 0, 12192, 1, 1050, 1051), 0);
}

Test(U2, outside_the_run_or_empty) {
        cr_expect_eq(world_grant(0, 0, 8191, 10, 1000, 1100), -EINVAL);
        cr_expect_eq(world_grant(0, 0, 12287, 2, 1000, 1100), -EINVAL);
        cr_expect_eq(world_grant(0, 0, UINT32_MAX, 2, 1000, 1100), -EINVAL);
        cr_expect_eq(world_grant(0, 0, 8192, 0, 1000, 1100), -EINVAL);
        cr_expect_eq(world_grant(0, 0, 8192, UINT32_MAX, 1000, 1100), -EINVAL);
        cr_expect_eq(world_grant(0, 0, 8192, 1, 1100, 1100), -EINVAL);
        cr_expect_eq(world_grant(0, 4, 8192, 1, 1000, 1100), -EINVAL);
        cr_expect_eq(ledger_live_count(world.ledger), 0);
}

Test(U2, a_promise_never_shrinks) {
        struct rectangle r;

        cr_assert_eq(world_grant(0, 0, 8192, 10, 1000, 1100), 0);
        cr_expect_eq(ledger_extend(world.ledger, world.lanes[0], 0, 1099), -EINVAL);
        cr_expect_eq(ledger_extend(world.ledger, world.lanes[0], 0, 1100), 0);
        cr_expect_eq(ledger_extend(world.ledger, world.lanes[0], 0, 1200), 0);
        cr_expect_eq(ledger_extend(world.ledger, world.lanes[0], 1, 1200), -EINVAL,
                     "nothing granted there");
        cr_assert(ledger_slot(world.ledger, world.lanes[0], 0, &r));
        cr_expect_eq(r.t1, 1200);
        cr_expect_eq(atomic_load(&world.pages[0][0].t1), 1200);
        cr_expect_eq(ledger_last_promise(world.ledger), 1200);
}

Test(U2, extension_checks_only_the_added_part) {
        cr_assert_eq(world_grant(0, 0, 8192, 10, 1000, 1100), 0);
        cr_assert_eq(world_grant(1, 0, 8195, 2, 1150, 1200), 0);
        cr_expect_eq(ledger_extend(world.ledger, world.lanes[0], 0, 1150), 0);
        cr_expect_eq(ledger_extend(world.ledger, world.lanes[0], 0, 1151), -EBUSY);
        cr_expect_eq(atomic_load(&world.pages[0][0].t1), 1150);
}

Test(U2, nothing_begins_in_the_past) {
        /* what has run out is forgotten: its ticks must be out of reach */
        cr_assert_eq(world_grant(0, 0, 8192, 10, 1000, 1100), 0);
        ledger_set_now(world.ledger, 1100);
        cr_expect_eq(world_grant(1, 0, 8192, 10, 1099, 1200), -EINVAL);
        cr_expect_eq(world_grant(1, 0, 8192, 10, 1100, 1200), 0);
        ledger_set_now(world.ledger, 1050);
        cr_expect_eq(world_grant(2, 0, 9000, 10, 1099, 1200), -EINVAL, "now never goes back");
}

Test(U2, a_run_out_grant_is_not_extended) {
        cr_assert_eq(world_grant(0, 0, 8192, 10, 1000, 1100), 0);
        ledger_set_now(world.ledger, 1100);
        cr_expect_eq(ledger_extend(world.ledger, world.lanes[0], 0, 1200), -EINVAL);
        cr_expect_eq(atomic_load(&world.pages[0][0].t1), 1100);
}

Test(U3, nothing_passes_the_fence) {
        cr_expect_eq(world_grant(0, 0, 8192, 10, 1000, 100001), -ERANGE);
        cr_expect_eq(world_grant(0, 0, 8192, 10, 1000, 100000), 0);
        cr_expect_eq(ledger_extend(world.ledger, world.lanes[0], 0, 100001), -ERANGE);
        ledger_set_fence(world.ledger, 99999);
        cr_expect_eq(ledger_fence(world.ledger), 100000, "it never goes down");
        ledger_set_fence(world.ledger, 200000);
        cr_expect_eq(ledger_extend(world.ledger, world.lanes[0], 0, 100001), 0);
        cr_expect_eq(atomic_load(&world.segment->fence), 200000);
}

/* What an earlier daemon knew stays in segment and copy, and allows nothing. Red
 * when a lower durable fence overwrites it. */
Test(U3, a_higher_fence_found_is_kept_and_not_used) {
        _Atomic uint64_t copy = 300000, inverse = 0;

        atomic_store(&world.segment->fence, 300000);
        ledger_copy_fence(world.ledger, (struct fence_word){ &copy, &inverse });
        ledger_set_fence(world.ledger, 200000);
        cr_expect_eq(atomic_load(&world.segment->fence), 300000);
        cr_expect_eq(atomic_load(&copy), 300000);
        cr_expect_eq(ledger_fence(world.ledger), 200000);
        cr_expect_eq(world_grant(0, 0, 8192, 10, 1000, 200001), -ERANGE);
        ledger_set_fence(world.ledger, 400000);
        cr_expect_eq(atomic_load(&world.segment->fence), 400000);
        cr_expect_eq(atomic_load(&copy), 400000);
}

Test(rule2, a_slot_is_rewritten_only_when_it_has_run_out) {
        cr_assert_eq(world_grant(0, 0, 8192, 10, 1000, 1100), 0);
        cr_expect_eq(world_grant(0, 0, 9000, 10, 1000, 1100), -EBUSY);
        cr_expect_eq(world_grant(0, 0, 9000, 10, 1100, 1200), -EBUSY,
                     "not yet run out: an odd journal slot would hide a live promise");
        ledger_set_now(world.ledger, 1100);
        cr_expect_eq(world_grant(0, 0, 9000, 10, 1100, 1200), 0);
}

Test(rule2, the_clients_slot_counts_as_well) {
        atomic_store(&world.pages[0][0].t1, 1050);
        cr_expect_eq(world_grant(0, 0, 8192, 10, 1000, 1100), -EBUSY);
        cr_expect_eq(world_grant(0, 0, 8192, 10, 1050, 1100), -EBUSY);
        ledger_set_now(world.ledger, 1050);
        cr_expect_eq(world_grant(0, 0, 8192, 10, 1050, 1100), 0);
}

Test(rule2, a_successor_takes_over_where_the_old_one_ends) {
        struct rectangle r;

        cr_assert_eq(world_grant(0, 0, 8192, 10, 1000, 1100), 0);
        cr_assert_eq(world_grant(0, 1, 8192, 20, 1100, 1200), 0);
        ledger_set_now(world.ledger, 1100);
        cr_expect_not(ledger_slot(world.ledger, world.lanes[0], 0, &r));
        cr_expect(ledger_slot(world.ledger, world.lanes[0], 1, &r));
        cr_expect_eq(world_grant(0, 0, 8192, 20, 1200, 1300), 0);
}

Test(rule4, journal_and_client_hold_the_same) {
        cr_assert_eq(world_grant(0, 2, 8192, 10, 1000, 1100), 0);
        cr_assert_eq(ledger_extend(world.ledger, world.lanes[0], 2, 1200), 0);
        for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                struct rectangle journal, client;

                cr_assert(slot_read(&world.lanes[0]->record->slots[i], &journal));
                cr_assert(slot_read(&world.pages[0][i], &client));
                cr_expect_eq(journal.start, client.start);
                cr_expect_eq(journal.width, client.width);
                cr_expect_eq(journal.t0, client.t0);
                cr_expect_eq(journal.t1, client.t1);
        }
}

Test(recovery, live_rectangles_are_held_until_they_run_out) {
        cr_assert_eq(world_grant(0, 0, 8192, 10, 1000, 1100), 0);
        cr_assert_eq(world_grant(0, 1, 8300, 10, 1100, 1500), 0);
        world_restart(1050);
        cr_expect_eq(ledger_live_count(world.ledger), 2);
        cr_expect_eq(ledger_last_promise(world.ledger), 1500);
        cr_assert_eq(ledger_open_lane(world.ledger, 9, 0, 0, 0, world.pages[5], &world.lanes[1]),
                     0);
        cr_expect_neq(world.lanes[1]->record, &world.segment->lanes[0], "it rests");
        cr_expect_eq(world_grant(1, 0, 8195, 1, 1050, 1060), -EBUSY);
        cr_expect_eq(world_grant(1, 0, 8305, 1, 1099, 1101), -EBUSY);
        ledger_set_now(world.ledger, 1100);
        cr_expect_eq(world_grant(1, 0, 8195, 1, 1100, 1200), 0);
}

Test(recovery, an_odd_slot_is_emptied) {
        struct slot *slot = &world.segment->lanes[0].slots[0];
        struct rectangle r;

        cr_assert_eq(world_grant(0, 0, 8192, 10, 1000, 1100), 0);
        atomic_store(&slot->sequence, atomic_load(&slot->sequence) + 1);
        atomic_store(&slot->t0, 1200); /* the new one's */
        world_restart(1200);
        cr_expect_eq(ledger_live_count(world.ledger), 0);
        cr_assert(slot_read(slot, &r));
        cr_expect_eq(r.width, 0);
        cr_expect_eq(r.t1, 0);
}

Test(recovery, orphans_are_nobodys) {
        cr_assert_neq(atomic_load(&world.segment->lanes[0].client), 0);
        world_restart(1000);
        ledger_end_adoption(world.ledger);
        for (uint32_t i = 0; i < CAPACITY; i++)
                cr_expect_eq(atomic_load(&world.segment->lanes[i].client), 0);
}

Test(gaps, high_and_widest) {
        uint32_t start, width;

        cr_assert_eq(ledger_find_high(world.ledger, 1000, 1100, 16, &start), 0);
        cr_expect_eq(start, 12288 - 16);
        cr_assert_eq(world_grant(0, 0, 12278, 5, 1000, 1100), 0); /* 12278 .. 12283 */
        cr_assert_eq(ledger_find_high(world.ledger, 1000, 1100, 5, &start), 0);
        cr_expect_eq(start, 12283);
        cr_assert_eq(ledger_find_high(world.ledger, 1000, 1100, 6, &start), 0);
        cr_expect_eq(start, 12272);
        cr_assert_eq(ledger_find_high(world.ledger, 1100, 1200, 6, &start), 0);
        cr_expect_eq(start, 12282, "free again then");
        cr_expect_eq(ledger_find_high(world.ledger, 1000, 1100, 4087, &start), -ENOSPC);
        ledger_widest_gap(world.ledger, 1000, 1100, &start, &width);
        cr_expect_eq(start, 8192);
        cr_expect_eq(width, 4086);
        cr_assert_eq(world_grant(1, 0, 8192, 4086, 1050, 1100), 0);
        ledger_widest_gap(world.ledger, 1000, 1100, &start, &width);
        cr_expect_eq(width, 5);
        cr_assert_eq(world_grant(2, 0, 12283, 5, 1099, 1100), 0);
        ledger_widest_gap(world.ledger, 1000, 1100, &start, &width);
        cr_expect_eq(width, 0);
}

Test(gaps, the_lowest_of_equals) {
        uint32_t start, width;

        cr_assert_eq(world_grant(0, 0, 9192, 2096, 1000, 1100), 0); /* 1000 free on either side */
        ledger_widest_gap(world.ledger, 1000, 1100, &start, &width);
        cr_expect_eq(start, 8192);
        cr_expect_eq(width, 1000);
}

Test(lanes, a_closed_one_rests) {
        struct ledger_lane *record = world.lanes[0]->record;

        cr_assert_eq(world_grant(0, 0, 8192, 10, 1000, 1100), 0);
        world.lanes[0] = ledger_close_lane(world.ledger, world.lanes[0]);
        cr_expect_null(world.lanes[0]);
        cr_expect_null(ledger_close_lane(world.ledger, NULL));
        for (uint32_t i = 4; i < CAPACITY; i++) {
                cr_assert_eq(
                        ledger_open_lane(world.ledger, i, 0, 0, 0, world.pages[i], &world.lanes[i]),
                        0);
                cr_assert_neq(world.lanes[i]->record, record);
        }
        cr_expect_eq(ledger_open_lane(world.ledger, 99, 0, 0, 0, world.pages[0], &world.lanes[0]),
                     -ENOSPC);
        cr_expect_eq(world_grant(1, 0, 8192, 10, 1050, 1060), -EBUSY, "its positions rest too");
        ledger_set_now(world.ledger, 1100);
        cr_assert_eq(ledger_open_lane(world.ledger, 99, 0, 0, 0, world.pages[0], &world.lanes[0]),
                     0);
        cr_expect_eq(world.lanes[0]->record, record);
}

/* A bitmap of positions x ticks says the same as the ledger, for any sequence. */
#define TICKS 64u
Test(U2, property_against_a_bitmap) {
        static uint8_t held[512][TICKS];
        unsigned seed = 20261105, granted = 0, refused = 0;

        printf("seed %u\n", seed);
        world.ledger = ledger_free(world.ledger);
        memset(world.segment->lanes, 0, CAPACITY * sizeof(world.segment->lanes[0]));
        memset(world.pages, 0, sizeof(world.pages));
        cr_assert_eq(ledger_new(&world.ledger, world.segment, (struct run){ 0, 512 }, 0), 0);
        ledger_set_fence(world.ledger, UINT64_MAX);
        for (uint32_t i = 0; i < CAPACITY; i++)
                cr_assert_eq(ledger_open_lane(world.ledger, i + 1, 0, 0, 0, world.pages[i],
                                              &world.lanes[i]),
                             0);

        for (uint64_t step = 0, now = 0; step < 200000; step++) {
                unsigned lane = (unsigned)rand_r(&seed) % CAPACITY;
                unsigned slot = (unsigned)rand_r(&seed) % SLOTS_PER_LANE;
                struct rectangle r = { .start = (unsigned)rand_r(&seed) % 512 };
                bool is_free = true;
                int result;

                r.width = 1 + (unsigned)rand_r(&seed) % (rand_r(&seed) % 8 ? 8 : 512 - r.start);
                r.width = r.width > 512 - r.start ? 512 - r.start : r.width;
                r.t0 = now + (unsigned)rand_r(&seed) % 16;
                r.t1 = r.t0 + 1 + (unsigned)rand_r(&seed) % 16;
                if (step % 16 == 0) {
                        for (uint32_t p = 0; p < 512; p++)
                                held[p][now % TICKS] = 0;
                        ledger_set_now(world.ledger, ++now);
                        continue;
                }
                if (step % 3 == 0 && ledger_slot(world.ledger, world.lanes[lane], slot, &r)) {
                        uint64_t end = r.t1;

                        r.t0 = end;
                        r.t1 = end + 1 < now + TICKS ? end + 1 : end;
                        result = ledger_extend(world.ledger, world.lanes[lane], slot, r.t1);
                } else {
                        if (atomic_load(&world.pages[lane][slot].t1) > now)
                                continue;
                        result = ledger_grant(world.ledger, world.lanes[lane], slot, &r);
                }
                for (uint64_t t = r.t0; t < r.t1; t++)
                        for (uint32_t p = r.start; p < r.start + r.width; p++)
                                is_free = is_free && !held[p][t % TICKS];
                cr_assert_eq(result, is_free ? 0 : -EBUSY, "step %lu", (unsigned long)step);
                granted += result == 0;
                refused += result != 0;
                for (uint64_t t = r.t0; result == 0 && t < r.t1; t++)
                        for (uint32_t p = r.start; p < r.start + r.width; p++)
                                held[p][t % TICKS] = 1;
        }
        cr_assert(granted > 10000 && refused > 10000, "granted %u refused %u", granted, refused);
}
