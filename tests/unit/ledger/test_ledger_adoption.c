/* SPDX-License-Identifier: MIT */
/* A daemon goes on with the lanes of the clients of one that died. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ledger/ledger.h"

#define RUN_START 8192u
#define RUN_WIDTH 4096u
#define CAPACITY 64u

static struct ledger_segment *segment;
static struct ledger *ledger;
static struct slot pages[CAPACITY][SLOTS_PER_LANE];
static struct ledger_entry *lanes[CAPACITY];

static void open_ledger(uint64_t now) {
        cr_assert_eq(ledger_new(&ledger, segment, (struct run){ RUN_START, RUN_WIDTH }, now), 0);
        ledger_set_fence(ledger, 100000);
}

static void no_step(void) {
}

static void set_up(void) {
        memset(pages, 0, sizeof(pages));
        segment = calloc(1, ledger_segment_size(CAPACITY));
        cr_assert_not_null(segment);
        segment->capacity = CAPACITY;
        open_ledger(1000);
        for (uint32_t i = 0; i < 4; i++)
                cr_assert_eq(ledger_open_lane(ledger, i + 1, 0, 1000, 42, pages[i], &lanes[i]), 0);
}

static void tear_down(void) {
        ledger = ledger_free(ledger);
        free(segment);
}

static int grant(unsigned lane, unsigned slot, uint32_t start, uint32_t width, uint64_t t0,
                 uint64_t t1) {
        struct rectangle r = { .start = start, .width = width, .t0 = t0, .t1 = t1 };

        return ledger_grant(ledger, lanes[lane], slot, &r);
}

static void restart(uint64_t now) {
        ledger = ledger_free(ledger);
        open_ledger(now);
}

TestSuite(adoption, .init = set_up, .fini = tear_down);

/* Red when a lane can be had twice, by another client, or after the adoption. */
Test(adoption, by_its_client_and_once) {
        struct ledger_entry *entry = NULL;
        uint32_t n = 0;

        cr_assert_eq(grant(1, 0, 9000, 64, 1000, 3000), 0);
        restart(1500);
        cr_expect_null(ledger_former(ledger, 99, &n));
        cr_expect_null(ledger_former(ledger, 0, &n));
        cr_assert_eq(ledger_former(ledger, 2, &n), &segment->lanes[1]);
        cr_expect_eq(n, 1);
        cr_expect_eq(ledger_adopt_lane(ledger, 2, 1, pages[1], &entry), -ENOENT);
        cr_expect_eq(ledger_adopt_lane(ledger, 99, 0, pages[1], &entry), -ENOENT);
        cr_expect_null(entry);
        cr_assert_eq(ledger_adopt_lane(ledger, 2, 0, pages[1], &entry), 0);
        cr_expect_eq(entry->record, &segment->lanes[1]);
        cr_expect_eq(ledger_adopt_lane(ledger, 2, 0, pages[1], &entry), -ENOENT);
        cr_expect_eq(ledger_extend(ledger, entry, 0, 4000), 0);
        ledger_end_adoption(ledger);
        cr_expect_eq(ledger_adopt_lane(ledger, 1, 0, pages[0], &entry), -ENOENT);
        cr_expect_eq(atomic_load(&segment->lanes[0].client), 0);
        cr_expect_eq(atomic_load(&segment->lanes[1].client), 2);
}

/* Red when ledger_new() forgets whose the records are. */
Test(adoption, by_the_daemon_after_one_that_died_before_it) {
        struct ledger_entry *entry;

        restart(1500);
        restart(1600);
        cr_expect_eq(ledger_adopt_lane(ledger, 1, 0, pages[0], &entry), 0);
        cr_assert_eq(ledger_open_lane(ledger, 50, 0, 0, 0, pages[10], &entry), 0);
        restart(1700);
        cr_expect_eq(ledger_adopt_lane(ledger, 2, 0, pages[1], &entry), -ENOENT,
                     "it did not come when it could");
        cr_expect_eq(ledger_adopt_lane(ledger, 1, 0, pages[0], &entry), 0);
}

/* Lanes twice, or missing: foreign. */
Test(adoption, of_a_whole_client_only) {
        uint32_t n;

        segment->lanes[1].lane = 1;
        atomic_store(&segment->lanes[1].client, 1);
        segment->lanes[2].lane = 2;
        restart(1500);
        cr_expect_not_null(ledger_former(ledger, 1, &n));
        cr_expect_eq(n, 2);
        cr_expect_null(ledger_former(ledger, 3, &n), "without lanes 0 and 1");
        segment->lanes[1].lane = 0;
        restart(1500);
        cr_expect_null(ledger_former(ledger, 1, &n), "lane 0 twice");
}

/* Red when any page that a record is found for is believed. */
Test(adoption, refuses_what_no_kill_leaves) {
        static const struct rectangle later = { .start = 9000, .width = 64, .t0 = 1000,
                                                .t1 = 9999 };
        struct ledger_entry *entry = NULL;

        (void)slot_grant(&pages[0][1], &later, no_step);
        cr_assert_eq(grant(1, 0, 8500, 64, 1000, 3000), 0);
        cr_assert_eq(slot_extend(&pages[1][0], 3500), 0);
        cr_assert_eq(grant(2, 0, 8700, 64, 1000, 3000), 0);
        atomic_store(&pages[2][0].span, span_pack(8701, 64));
        restart(1500);
        for (unsigned i = 0; i < 3; i++)
                cr_expect_eq(ledger_adopt_lane(ledger, i + 1, 0, pages[i], &entry), -EBADMSG);
        cr_expect_null(entry);
        cr_expect_eq(ledger_adopt_lane(ledger, 4, 0, pages[3], &entry), 0);
}

/* Red when recovery_repair_slot() copies what has run out. */
Test(adoption, of_a_record_which_was_anothers) {
        struct rectangle r;

        cr_assert_eq(grant(0, 0, 9000, 64, 1000, 1100), 0);
        ledger_set_now(ledger, 1200);
        lanes[0] = ledger_close_lane(ledger, lanes[0]);
        cr_assert_eq(ledger_open_lane(ledger, 77, 0, 0, 0, pages[20], &lanes[0]), 0);
        cr_assert_eq(lanes[0]->record, &segment->lanes[0], "the same record");
        restart(1200);
        cr_assert_eq(ledger_adopt_lane(ledger, 77, 0, pages[20], &lanes[0]), 0);
        cr_expect(slot_read(&pages[20][0], &r));
        cr_expect_eq(r.width, 0, "it never was that client's");
}
