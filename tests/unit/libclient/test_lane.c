/* SPDX-License-Identifier: MIT */
/* The library's claims by themselves: pages made by hand, a clock line that
 * stands wherever the test puts it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "libclient/count.h"
#include "libclient/clock.h"
#include "libclient/lane.h"

#define BASE UINT64_C(1000)

static struct attachment *a;
static _Atomic(struct attachment *) newest; /* the handle's */

static void no_step(void) {
}

/* Guarded time stands still at the beginning of `tick`: the line's slope is
 * all slewed away, but for one part in 10^9. */
static void set_tick(uint64_t tick) {
        int64_t boot = clock_boottime_ns();
        struct clock_line line = {
                .boot_base_ns = boot,
                .guarded_base_ns = (int64_t)tick * NS_PER_TICK + NS_PER_TICK / 2,
                .slew_ppb = -999999999,
                .slew_end_boot_ns = INT64_MAX / 2,
        };

        clock_latch_write(attachment_clock(a), &line);
}

static void grant(unsigned slot, uint32_t start, uint32_t width, uint64_t t0, uint64_t t1) {
        struct rectangle r = { .start = start, .width = width, .t0 = t0, .t1 = t1 };

        cr_assert_eq(slot_grant(&attachment_grants(a)->slots[0][slot], &r, no_step), 0);
}

static void make_attachment(void) {
        a = mmap(NULL, 4 * ATTACHMENT_PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                 -1, 0);
        cr_assert_neq(a, MAP_FAILED);
        a->base_tick = BASE;
        a->position_bits = 22;
        a->sequence_bits = 12;
        a->lanes = 1;
        a->worker_counters = 4;
        a->socket = OWN_SOCKET_NONE;
        atomic_init(&a->hints[0].key, HINT_NONE);
        atomic_init(&lane_words_of(a, 0)->cursor, cursor_pack(0, 0, CURSOR_OFFSET_FULL));
        atomic_store(&newest, a);
        atomic_init(&a->newest, &newest);
}

static void free_attachment(void) {
        munmap(a, 4 * ATTACHMENT_PART);
}

TestSuite(lane, .init = make_attachment, .fini = free_attachment, .timeout = 60);
TestSuite(rule5, .init = make_attachment, .fini = free_attachment, .timeout = 60);
TestSuite(rule6, .init = make_attachment, .fini = free_attachment, .timeout = 60);
TestSuite(rule12, .init = make_attachment, .fini = free_attachment, .timeout = 60);

static enum claim_result claim_n(uint64_t min, uint64_t max, uint64_t reach_back, struct claim *ret) {
        uint64_t tick;
        int64_t boot;

        return lane_claim(a, 0, min, max, reach_back, ret, &tick, &boot);
}

/* All IDs of the lane: counted, and the part of the unfinished tick. */
static uint64_t ids_so_far(uint32_t width) {
        const struct lane_words *words = lane_words_of(a, 0);

        return words->ids + cursor_used(words->cursor, width);
}

Test(lane, claims_fill_a_tick_and_go_on_in_the_next) {
        uint64_t taken = 0;
        struct claim c;

        grant(SLOT_STANDING_A, 100, 16, BASE, BASE + 1000);
        for (uint64_t tick = BASE + 1; tick < BASE + 50; tick++) {
                set_tick(tick);
                while (claim_n(1, 1, 0, &c) == CLAIM_GOT) {
                        cr_assert_eq(c.tick, tick);
                        cr_assert_lt(c.offset, 16);
                        cr_assert_eq(c.start, 100);
                        taken++;
                }
                cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_FULL);
        }
        cr_assert_eq(ids_so_far(16), taken);
        cr_assert_eq(attachment_worker_ids(a)[0] + 16, taken, "the last tick is not counted yet");
}

Test(lane, nothing_is_claimed_outside_the_reservation) {
        struct claim c;

        grant(SLOT_STANDING_A, 100, 16, BASE + 10, BASE + 20);
        set_tick(BASE + 9);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_NO_SLOT);
        set_tick(BASE + 10);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_GOT);
        set_tick(BASE + 19);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_GOT);
        set_tick(BASE + 20);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_NO_SLOT);
}

/* Red when claim_here() looks for the widest slot instead of the cursor's. */
Test(rule6, slot_changes_only_with_the_tick) {
        struct claim c;

        grant(SLOT_STANDING_A, 100, 16, BASE, BASE + 1000);
        set_tick(BASE + 1);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_GOT);
        grant(SLOT_ELASTIC_A, 0, 64, BASE, BASE + 1000);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_GOT);
        cr_assert_eq(c.start, 100, "the slot changed within a tick");
        set_tick(BASE + 2);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_GOT);
        cr_assert_eq(c.start, 0, "the widest slot is taken in the next tick");
}

/* Red when the check is `offset + count <= width` in 32 bits. */
Test(rule5, huge_counts_do_not_wrap) {
        struct claim c;

        grant(SLOT_STANDING_A, 100, 16, BASE, BASE + 1000);
        set_tick(BASE + 1);
        cr_assert_eq(claim_n(1, 3, 0, &c), CLAIM_GOT);
        cr_assert_eq(claim_n(UINT64_MAX, UINT64_MAX, 0, &c), CLAIM_FULL);
        cr_assert_eq(claim_n(UINT64_MAX - 2, UINT64_MAX, 0, &c), CLAIM_FULL);
        cr_assert_eq(claim_n(1, UINT64_MAX, 0, &c), CLAIM_GOT);
        cr_assert_leq(c.offset + c.count, 16);
        cr_assert(!span_fits(3, UINT64_MAX - 2, 16));
        cr_assert(span_fits(3, 13, 16));
        cr_assert(!span_fits(16, 0, 16));
}

/*
 * Adds that come too late, with a clock that stands still: they never reach the
 * slot bits, for each call that finds the tick full puts the offset back. Red
 * without clamp(): 8 million failing adds carry into the slot.
 */
Test(rule12, failing_adds_do_not_run_away) {
        struct lane_words *words = lane_words_of(a, 0);
        struct claim c;

        grant(SLOT_STANDING_A, 100, 16, BASE, BASE + 1000);
        set_tick(BASE + 1);
        while (claim_n(1, 1, 0, &c) == CLAIM_GOT)
                ;
        for (uint64_t round = 0; round < 10000; round++) {
                words->cursor += 1000; /* that many threads added and failed */
                cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_FULL);
                cr_assert_eq(cursor_slot(words->cursor), SLOT_STANDING_A);
                cr_assert_eq(cursor_offset(words->cursor), 16);
                cr_assert_eq(cursor_tick(words->cursor), 1);
        }
        cr_assert_eq(a->hints[0].key, HINT_NONE, "the hot path is told to add no more");
        words->cursor = cursor_pack(1, SLOT_STANDING_A, CURSOR_OFFSET_FULL + 5);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_FULL);
        cr_assert_eq(cursor_offset(words->cursor), CURSOR_OFFSET_FULL, "the mark is kept");
}

/* A batch wider than a tick takes ticks the lane left unused, never one it has
 * been in, never one before the reservation, never one of the future. */
Test(lane, reaching_back) {
        struct claim c;

        grant(SLOT_STANDING_A, 100, 16, BASE + 5, BASE + 1000);
        set_tick(BASE + 7);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_GOT);
        set_tick(BASE + 20);
        cr_assert_eq(claim_n(40, 40, 100, &c), CLAIM_GOT);
        cr_assert_eq(c.tick, BASE + 18, "40 positions are three ticks: as late as will do");
        cr_assert_eq(c.count, 40);
        cr_assert_eq(c.offset, 0);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_GOT);
        cr_assert_eq(c.tick, BASE + 20);
        cr_assert_eq(c.offset, 8);
        set_tick(BASE + 22);
        cr_assert_eq(claim_n(33, 33, 100, &c), CLAIM_FULL, "only two ticks are unused");
        cr_assert_eq(claim_n(32, 100, 100, &c), CLAIM_GOT);
        cr_assert_eq(c.tick, BASE + 21);
        cr_assert_eq(c.count, 32);
        set_tick(BASE + 40);
        cr_assert_eq(claim_n(64, 64, 2, &c), CLAIM_FULL, "no further back than allowed");
        cr_assert_eq(claim_n(48, 48, 2, &c), CLAIM_GOT);
        cr_assert_eq(c.tick, BASE + 38);
        cr_assert_eq(ids_so_far(16), 1 + 40 + 1 + 32 + 48);
}

Test(lane, reaching_back_stops_at_the_reservation) {
        struct claim c;

        grant(SLOT_STANDING_A, 100, 16, BASE + 50, BASE + 1000);
        set_tick(BASE + 51);
        cr_assert_eq(claim_n(1, 1000, 1000, &c), CLAIM_GOT);
        cr_assert_eq(c.tick, BASE + 50);
        cr_assert_eq(c.count, 32);
}

/* Idle: id % N is even for N <= 16. Full ticks begin at 0. */
Test(lane, modulo_skew) {
        unsigned counts[16] = { 0 };
        struct claim c;

        grant(SLOT_STANDING_A, 0, 4000, BASE, BASE + 1000000);
        for (uint64_t tick = BASE + 1; tick < BASE + 64001; tick += 2) {
                set_tick(tick);
                cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_GOT);
                counts[c.offset % 16]++;
        }
        for (int i = 0; i < 16; i++) /* 2,000 each, 5 standard deviations */
                cr_assert(counts[i] > 1780 && counts[i] < 2220, "%d: %u", i, counts[i]);
        cr_assert_eq(claim_n(1, 4000, 0, &c), CLAIM_GOT);
        for (uint64_t tick = BASE + 64000; tick < BASE + 64100; tick++) {
                set_tick(tick);
                cr_assert_eq(claim_n(1, 4000, 0, &c), CLAIM_GOT);
                cr_assert_eq(c.offset, 0);
                cr_assert_eq(c.count, 4000);
        }
}

/* Makes another attachment the newest, which follows the one there was. Returns that. */
static struct attachment *attach_anew(void) {
        struct attachment *older = a;

        make_attachment();
        atomic_init(&a->older, older);
        return older;
}

/*
 * The lanes of the next attachment begin above the old lane, which relatives go on using.
 * Red when lanes_begin() does nothing, or looks only once for all relatives.
 */
Test(lane, O1_begins_above_the_lane_before) {
        struct attachment *older, *newer;
        struct claim c;

        grant(SLOT_STANDING_A, 100, 16, BASE, BASE + 1000);
        set_tick(BASE + 9);
        cr_assert_eq(claim_n(5, 5, 0, &c), CLAIM_GOT);
        older = attach_anew();
        newer = a;
        grant(SLOT_STANDING_A, 200, 16, BASE, BASE + 1000);
        set_tick(BASE + 9);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_FULL);
        set_tick(BASE + 10);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_GOT);
        cr_assert_eq(lane_words_of(a, 0)->ids + cursor_used(lane_words_of(a, 0)->cursor, 16), 1);

        /* a relative, whose handle still uses the old one */
        a = older;
        atomic_store(&newest, a);
        set_tick(BASE + 12);
        cr_assert_eq(claim_n(5, 5, 0, &c), CLAIM_GOT, "the lane was closed");
        cr_assert_eq(c.start, 100);
        /* and attaches again itself, later */
        attach_anew();
        grant(SLOT_STANDING_A, 300, 16, BASE, BASE + 1000);
        set_tick(BASE + 12);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_FULL);
        munmap(older, 4 * ATTACHMENT_PART);
        munmap(newer, 4 * ATTACHMENT_PART);
}

/*
 * A thread that is still on its way through the old attachment when the handle has left it
 * gets nothing there, neither by a claim nor by the add of its hot path. Red when claimed()
 * or lane_judge() does not look whether the attachment is in use: its ID could be above one
 * of the new lanes that was returned before.
 */
Test(lane, O1_claims_of_an_attachment_that_was_left_do_not_count) {
        struct attachment *older;
        struct claim c;
        int64_t boot;

        grant(SLOT_STANDING_A, 100, 16, BASE, BASE + 1000);
        set_tick(BASE + 7);
        cr_assert_eq(claim_n(5, 5, 0, &c), CLAIM_GOT);
        older = attach_anew();
        atomic_store(&newest, a);
        a = older;
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_LEFT, "in the same tick");
        cr_assert_eq(a->hints[0].key, HINT_NONE, "a key that the hot path would use");
        cr_assert(!lane_judge(a, 0, atomic_fetch_add(&lane_words_of(a, 0)->cursor, 1), &c, &boot));
        set_tick(BASE + 8);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_LEFT, "in a later one");
        cr_assert_eq(a->hints[0].key, HINT_NONE);
        munmap(atomic_load(&newest), 4 * ATTACHMENT_PART);
}

/* IDs are counted by worker, over the boundary between two of them. */
Test(lane, counts_by_worker) {
        struct claim c;

        grant(SLOT_STANDING_A, 4096 - 100, 300, BASE, BASE + 1000);
        for (uint64_t tick = BASE + 1; tick <= BASE + 10; tick++) {
                set_tick(tick);
                cr_assert_eq(claim_n(300, 300, 0, &c), CLAIM_GOT);
        }
        set_tick(BASE + 11);
        cr_assert_eq(claim_n(1, 1, 0, &c), CLAIM_GOT); /* the tick before is finished */
        cr_assert_eq(attachment_worker_ids(a)[0], 1000);
        cr_assert_eq(attachment_worker_ids(a)[1], 2000);
        cr_assert_eq(lane_words_of(a, 0)->ids, 3000);
}

/* The judged position is one that the add really got, now. */
Test(lane, judge) {
        struct claim c;
        int64_t boot;
        uint64_t cursor = cursor_pack(5, SLOT_ELASTIC_B, 15);

        grant(SLOT_ELASTIC_B, 7, 16, BASE, BASE + 1000);
        set_tick(BASE + 5);
        cr_assert(lane_judge(a, 0, cursor, &c, &boot));
        cr_assert_eq(c.tick, BASE + 5);
        cr_assert_eq(c.start + c.offset, 7 + 15);
        cr_assert(!lane_judge(a, 0, cursor + 1, &c, &boot), "past the width");
        cr_assert(!lane_judge(a, 0, cursor_pack(5, SLOT_ELASTIC_A, 1), &c, &boot), "no grant");
        set_tick(BASE + 6);
        cr_assert(!lane_judge(a, 0, cursor, &c, &boot), "a tick that has passed (T1)");
}
