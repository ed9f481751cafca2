/* SPDX-License-Identifier: MIT */
/*
 * The memory of the journal is damaged while no daemon runs. Whatever a living client may
 * still use goes to nobody else (U2), nothing durable rises (U3), and everything that is
 * whole goes on.
 *
 * Red without the sums of journal.c (a t1 that looks past frees what a client holds), with
 * bounds alone, and when a damaged end is not replaced: the next daemon holds it again.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/capture.h"
#include "tests/unit/support/ledger_world.h"

#define NOW 1500u
#define END 3000u
#define FENCE 100000u /* of ledger_world */
#define START 8292u
#define WIDTH 16u

static struct ledger_segment *whole;

/* The clients 1 to 4: a standing reservation, another, a wide elastic one, one that has run
 * out. */
static void begin(void) {
        capture_begin();
        world_begin();
        atomic_store(&world.segment->next_client, 100);
        cr_assert_eq(world_grant(0, 0, START, WIDTH, 1000, 2000), 0);
        cr_assert_eq(ledger_extend(world.ledger, world.lanes[0], 0, END), 0);
        cr_assert_eq(world_grant(1, 0, 8400, 64, 1000, 5000), 0);
        cr_assert_eq(world_grant(2, 2, 8500, 700, 1000, 1600), 0);
        cr_assert_eq(world_grant(3, 0, 12000, 8, 1000, 1100), 0);
        whole = malloc(ledger_segment_size(CAPACITY));
        memcpy(whole, world.segment, ledger_segment_size(CAPACITY));
}

static void end(void) {
        free(whole);
        world_end();
}

TestSuite(damage, .init = begin, .fini = end);

static struct slot pages[CAPACITY][SLOTS_PER_LANE];

static void begin_case(void) {
        memcpy(world.segment, whole, ledger_segment_size(CAPACITY));
        memset(pages, 0, sizeof(pages));
}

/* A newcomer asks for these positions. */
static int ask(uint32_t start, uint32_t width, uint64_t t0, uint64_t t1) {
        struct rectangle r = { .start = start, .width = width, .t0 = t0, .t1 = t1 };
        struct ledger_entry *entry;
        int result;

        memset(pages[0], 0, sizeof(pages[0]));
        cr_assert_eq(ledger_open_lane(world.ledger, 90, 0, 0, 0, pages[0], &entry), 0);
        result = ledger_grant(world.ledger, entry, 0, &r);
        ledger_close_lane(world.ledger, entry);
        return result;
}

/* U2: nobody gets one of these positions up to that tick. */
static void expect_kept(uint32_t start, uint32_t width, uint64_t until, const char *what) {
        for (uint32_t position = start; position < start + width; position++)
                cr_assert_eq(ask(position, 1, NOW, until), -EBUSY, "%s: position %u", what,
                             position);
        cr_assert_eq(ask(start, width, until - 1, until), -EBUSY, "%s: not as long", what);
}

/* And from then on they are free. */
static void expect_free(uint32_t start, uint32_t width, uint64_t from, const char *what) {
        ledger_set_fence(world.ledger, 2 * FENCE);
        ledger_set_now(world.ledger, from);
        cr_assert_eq(ask(start, width, from, from + 1), 0, "%s: longer than until %" PRIu64, what,
                     from);
}

static void expect_nothing_rose(const char *what) {
        cr_assert_eq(atomic_load(&world.segment->fence), FENCE, "%s", what);
        cr_assert_leq(ledger_last_promise(world.ledger), FENCE, "%s", what);
}

/* What was not damaged goes on. */
static void expect_rest_adopted(const char *what) {
        struct ledger_entry *entry;
        uint32_t start;

        cr_assert_eq(ledger_adopt_lane(world.ledger, 2, 0, world.pages[1], &entry), 0, "%s", what);
        cr_assert_eq(ledger_extend(world.ledger, entry, 0, 6000), 0, "%s", what);
        cr_assert_eq(ledger_find_high(world.ledger, NOW, NOW + 100, 1000, &start), 0,
                     "%s: no room for anybody", what);
        /* as the page still has it, for the next case */
        atomic_store(&world.pages[1][0].t1, 5000);
}

static _Atomic uint64_t *word_of(struct slot *slot, unsigned word) {
        return &((_Atomic uint64_t *)(void *)slot)[word];
}

/* sequence, span, t0, t1 */
#define WORDS 4u

/* Every bit of a live reservation's slot. A damaged end rests until the fence, neither
 * shorter nor longer, and over a second daemon; any other bit changes nothing of that. */
Test(damage, each_bit_of_a_slot) {
        for (unsigned bit = 0; bit < 64 * WORDS; bit++) {
                uint64_t until = bit / 64 == 3 ? FENCE : END;
                char what[32];

                snprintf(what, sizeof(what), "word %u, bit %u", bit / 64, bit % 64);
                begin_case();
                atomic_fetch_xor(word_of(&world.segment->lanes[0].slots[0], bit / 64),
                                 UINT64_C(1) << bit % 64);
                for (int daemon = 0; daemon < 2; daemon++) {
                        world_restart(NOW);
                        expect_nothing_rose(what);
                        if (daemon == 0)
                                expect_rest_adopted(what);
                        expect_kept(START, WIDTH, until, what);
                }
                expect_free(START, WIDTH, until, what);
        }
}

/* Damage that is more than a bit: a word says anything. Red when an odd sequence alone frees
 * a slot, or when a span of which nothing is known holds only what it says. */
Test(damage, each_word_of_a_slot) {
        const uint64_t values[] = { 0, 1, 2, 7, 4096, UINT64_C(0x0123456789abcdef),
                                    UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63,
                                    span_pack(8400, 64), span_pack(12287, 1),
                                    span_pack(8192, 4096), span_pack(8192, 4097),
                                    span_pack(0, 16), NOW, NOW + 1, END - 1, END + 1, FENCE - 1,
                                    FENCE, FENCE + 1, NOW + UINT64_C(31536000000) };

        for (unsigned word = 0; word < WORDS; word++)
                for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
                        /* without its sums an end is not known either; sums of 0 are no sums */
                        bool lost = word == 3 || (word == 0 && values[i] >> 16 != 0);
                        uint64_t until = lost ? FENCE : END;
                        char what[64];

                        snprintf(what, sizeof(what), "word %u = %" PRIx64, word, values[i]);
                        begin_case();
                        atomic_store(word_of(&world.segment->lanes[0].slots[0], word), values[i]);
                        world_restart(NOW);
                        expect_nothing_rose(what);
                        expect_kept(START, WIDTH, until, what);
                        expect_kept(8400, 64, 5000, what);
                        expect_free(START, WIDTH, until, what);
                }
}

/* Where nothing is known of the positions of one, nobody gets any that others do not hold,
 * and these others go on. */
Test(damage, positions_that_cannot_be_known) {
        struct ledger_entry *entry;
        uint32_t start;

        atomic_store(&world.segment->lanes[0].slots[0].span, UINT64_C(0x5555555500000777));
        world_restart(NOW);
        cr_assert_eq(ledger_adopt_lane(world.ledger, 2, 0, world.pages[1], &entry), 0);
        cr_expect_eq(ledger_extend(world.ledger, entry, 0, 6000), 0);
        cr_expect_eq(ledger_find_high(world.ledger, NOW, NOW + 1, 1, &start), -ENOSPC);
        ledger_set_now(world.ledger, END);
        cr_assert_eq(ledger_find_high(world.ledger, END, END + 1, 3000, &start), 0);
        ledger_set_now(world.ledger, FENCE);
        cr_expect_eq(ledger_live_count(world.ledger), 0);
}

/* More damage than can be looked into, and than there are lines in the log. */
Test(damage, of_all_records) {
        uint32_t start;

        for (unsigned i = 4; i < CAPACITY; i++) {
                cr_assert_eq(ledger_open_lane(world.ledger, i + 1, 0, 7, 42, world.pages[i],
                                              &world.lanes[i]), 0);
                cr_assert_eq(world_grant(i, 0, 9300 + 16 * i, 16, 1200, END), 0);
                cr_assert_eq(world_grant(i, 1, 11000 + 8 * i, 8, 1200, END + i), 0);
        }
        for (unsigned i = 4; i < CAPACITY; i++)
                for (unsigned slot = 0; slot < 2; slot++)
                        atomic_fetch_xor(&world.segment->lanes[i].slots[slot].span, UINT64_C(0x39) << 32);
        capture_take();
        world_restart(NOW);
        cr_assert_contains(capture_take(), "120 slots of the ledger are damaged");
        cr_expect_eq(ledger_find_high(world.ledger, NOW, NOW + 1, 1, &start), -ENOSPC);
        ledger_set_now(world.ledger, END + CAPACITY - 2);
        cr_expect_eq(ask(8200, 1, END + CAPACITY - 2, END + CAPACITY - 1), -EBUSY,
                     "the last ends later");
        ledger_set_now(world.ledger, END + CAPACITY - 1);
        cr_expect_eq(ledger_find_high(world.ledger, END + CAPACITY - 1, END + CAPACITY, 3000,
                                      &start), 0);
}

/* Of what has run out nothing is held, unless its end is not known. */
Test(damage, of_what_has_run_out) {
        atomic_fetch_xor(&world.segment->lanes[3].slots[0].span, UINT64_C(1) << 40);
        world_restart(NOW);
        expect_free(12000, 8, NOW, "span");
        begin_case();
        atomic_fetch_xor(&world.segment->lanes[3].slots[0].t1, UINT64_C(1) << 45);
        world_restart(NOW);
        expect_kept(12000, 8, FENCE, "t1");
        expect_free(12000, 8, FENCE, "t1");
}

/* A damaged client attaches anew; the event says what rests. */
Test(damage, is_reported_and_its_client_does_not_go_on) {
        struct ledger_entry *entry;

        atomic_fetch_xor(&world.segment->lanes[0].slots[0].t1, UINT64_C(1) << 45);
        capture_take();
        world_restart(NOW);
        cr_assert_contains(capture_take(), "(event=ledger-damaged)");
        cr_expect_eq(ledger_adopt_lane(world.ledger, 1, 0, world.pages[0], &entry), -EBADMSG);
        ledger_end_adoption(world.ledger);
        world_restart(NOW);
        cr_assert_not(strstr(capture_take(), "ledger-damaged"), "it is told once");
}

/* Whose a record is: nobody's positions change with it. */
Test(damage, each_bit_of_a_records_head) {
        for (unsigned bit = 0; bit < 8 * offsetof(struct ledger_lane, slots); bit++) {
                uint8_t *head = (uint8_t *)&world.segment->lanes[0];
                char what[32];

                snprintf(what, sizeof(what), "head, bit %u", bit);
                begin_case();
                head[bit / 8] ^= (uint8_t)(1u << bit % 8);
                world_restart(NOW);
                expect_nothing_rose(what);
                if (bit != 0 && bit != 1) /* then it says that it is client 2's as well, or 3's */
                        expect_rest_adopted(what);
                cr_assert_gt(ledger_number_client(world.ledger), 99, "%s: a number again", what);
                expect_kept(START, WIDTH, END, what);
                expect_free(START, WIDTH, END, what);
        }
}

/* A counter that fell, or one that is about to wrap to 0, which is nobody. */
Test(damage, of_the_number_of_the_next_client) {
        static const uint64_t values[] = { 0, 1, 3, 4, UINT64_MAX, UINT64_MAX - 1,
                                           UINT64_C(1) << 63 };

        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
                atomic_store(&world.segment->next_client, values[i]);
                world_restart(NOW);
                cr_expect_eq(ledger_number_client(world.ledger), 5);
                cr_expect_eq(ledger_number_client(world.ledger), 6);
        }
        atomic_store(&world.segment->next_client, 5);
        world_restart(NOW);
        cr_expect_eq(ledger_number_client(world.ledger), 5);
}
