/* SPDX-License-Identifier: MIT */
/* The arithmetic of a lane's one word. */
#include <criterion/criterion.h>
#include <stdbool.h>

#include "shm/cursor.h"
#include "shm/slot.h"
#include "tests/support/random.h"

static uint64_t random_cursor(uint64_t *state) {
        return cursor_pack(random_next(state) & CURSOR_TICK_MAX, random_next(state) & 3,
                           random_next(state) & CURSOR_OFFSET_MASK);
}

Test(cursor, fields_fill_the_word_and_do_not_touch) {
        cr_assert_eq(cursor_pack(CURSOR_TICK_MAX, 0, 0) ^ cursor_pack(0, 3, 0) ^
                             cursor_pack(0, 0, CURSOR_OFFSET_MASK),
                     UINT64_MAX >> 1);
        cr_assert_eq(CURSOR_SLOT_SHIFT, CURSOR_OFFSET_BITS);
        cr_assert_eq(1u << (CURSOR_TICK_SHIFT - CURSOR_SLOT_SHIFT), SLOTS_PER_LANE);
        cr_assert_eq(CURSOR_TICK_SHIFT + CURSOR_TICK_BITS, 63);
}

Test(cursor, round_trip) {
        uint64_t state = 2;

        for (int i = 0; i < 20000; i++) {
                uint64_t tick = random_next(&state) & CURSOR_TICK_MAX;
                unsigned slot = random_next(&state) & 3;
                uint64_t offset = random_next(&state) & CURSOR_OFFSET_MASK;
                uint64_t cursor = cursor_pack(tick, slot, offset);

                cr_assert_eq(cursor_tick(cursor), tick);
                cr_assert_eq(cursor_slot(cursor), slot);
                cr_assert_eq(cursor_offset(cursor), offset);
                cr_assert_eq(cursor_key(cursor) + offset, cursor);
        }
}

/* O1 rests on it: a later tick is a higher word, whatever slot and offset. */
Test(cursor, O1_later_ticks_are_higher_words) {
        uint64_t state = 3;

        for (int i = 0; i < 20000; i++) {
                uint64_t a = random_cursor(&state), b = random_cursor(&state);

                if (cursor_tick(a) < cursor_tick(b))
                        cr_assert_lt(a, b);
                if (cursor_key(a) == cursor_key(b) && cursor_offset(a) < cursor_offset(b))
                        cr_assert_lt(a, b);
        }
}

/*
 * The hot path's one subtraction: cursor - key is below a width only in the
 * very tick and slot of the key. Red when a field moves so that another tick or
 * slot comes within 2^22 of the key.
 */
Test(cursor, U1_one_subtraction_checks_tick_and_slot) {
        uint64_t state = 4;

        for (int i = 0; i < 20000; i++) {
                uint64_t key = cursor_key(random_cursor(&state)), cursor = random_cursor(&state);
                uint64_t near = key + (random_next(&state) & ((UINT64_C(1) << 26) - 1)) -
                                (UINT64_C(1) << 25);
                uint64_t tried[] = { cursor, near, key - 1, key + CURSOR_OFFSET_MASK + 1 };

                for (size_t j = 0; j < sizeof(tried) / sizeof(tried[0]); j++) {
                        bool same = cursor_key(tried[j]) == key;

                        if (tried[j] - key < SLOT_WIDTH_MAX)
                                cr_assert(same, "cursor %lx is not in key %lx",
                                          (unsigned long)tried[j], (unsigned long)key);
                        if (same)
                                cr_assert_eq(tried[j] - key, cursor_offset(tried[j]));
                }
        }
}

/* Rule 12: 2^22 adds that fail do not reach the slot bits, from any full offset
 * that the clamp leaves behind. */
Test(cursor, rule_12_failing_adds_have_room) {
        uint64_t clamped = cursor_pack(9, 1, SLOT_WIDTH_MAX);
        uint64_t born = cursor_pack(9, 1, CURSOR_OFFSET_FULL);

        cr_assert_eq(cursor_key(clamped + (UINT64_C(1) << 22)), cursor_key(clamped));
        cr_assert_eq(cursor_key(born + (UINT64_C(1) << 22) - 1), cursor_key(born));
        cr_assert_geq(CURSOR_OFFSET_FULL, SLOT_WIDTH_MAX);
}

/* Rule 5: no sum that wraps. */
Test(cursor, rule_5_width_checks_do_not_wrap) {
        cr_assert(span_fits(0, 1, 1));
        cr_assert(span_fits(5, 3, 8));
        cr_assert_not(span_fits(5, 4, 8));
        cr_assert_not(span_fits(8, 0, 8));
        cr_assert_not(span_fits(0, 1, 0));
        cr_assert_not(span_fits(1, UINT64_MAX, 8));
        cr_assert_not(span_fits(UINT64_MAX, 1, UINT32_MAX));
        cr_assert_not(span_fits(UINT64_MAX, 2, 8));
}

Test(cursor, used) {
        cr_assert_eq(cursor_used(cursor_pack(1, 2, 0), 10), 0);
        cr_assert_eq(cursor_used(cursor_pack(1, 2, 9), 10), 9);
        cr_assert_eq(cursor_used(cursor_pack(1, 2, 10), 10), 10);
        cr_assert_eq(cursor_used(cursor_pack(1, 2, 4000), 10), 10, "adds that failed");
        cr_assert_eq(cursor_used(cursor_pack(1, 0, CURSOR_OFFSET_FULL), 10), 0, "born full");
        cr_assert_eq(cursor_used(cursor_pack(1, 2, SLOT_WIDTH_MAX), SLOT_WIDTH_MAX),
                     SLOT_WIDTH_MAX);
}

Test(cursor, skew_is_below_its_limits) {
        for (uint64_t tick = 0; tick < 5000; tick++) {
                for (uint32_t width = 0; width < 70; width++) {
                        uint32_t skew = cursor_skew(tick, 1, width);

                        cr_assert_lt(skew, CURSOR_SKEW_LIMIT);
                        cr_assert(skew == 0 || skew < width / 2 + width % 2, "width %u", width);
                }
        }
}

/* id % 16 of first IDs is even: no residue more than 1.3 times the mean. Red
 * when the skew is constant or takes the low bits of tick. */
Test(cursor, skew_spreads_over_16_shards) {
        for (uint64_t salt = 0; salt < 4; salt++) {
                unsigned count[16] = { 0 };

                for (uint64_t i = 0; i < 16000; i++)
                        count[cursor_skew(1000000 + i * 7, salt, 4096) % 16]++;
                for (int i = 0; i < 16; i++)
                        cr_assert(count[i] > 700 && count[i] < 1300, "residue %d: %u of 16000", i,
                                  count[i]);
        }
}
