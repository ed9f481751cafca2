/* SPDX-License-Identifier: MIT */
/* The bits of an ID: any layout that adds up to 63. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>

#include "shm/id.h"
#include "tests/support/random.h"

static struct id_layout random_layout(uint64_t *state) {
        struct id_layout layout = { 0 };

        layout.tick_bits = (uint8_t)(1 + random_below(state, 63));
        layout.worker_bits = (uint8_t)random_below(state, 64u - layout.tick_bits);
        layout.sequence_bits = (uint8_t)(63 - layout.tick_bits - layout.worker_bits);
        layout.region_bits = (uint8_t)random_below(state, layout.worker_bits + 1u);
        layout.epoch_unix_ms = (int64_t)random_below(state, UINT64_C(1) << 42);
        return layout;
}

/* Red when a field is shifted or masked by a wrong width. */
Test(id, random_layouts_round_trip) {
        uint64_t state = 1;

        for (int i = 0; i < 20000; i++) {
                struct id_layout layout = random_layout(&state);
                unsigned bits = id_position_bits(&layout);
                uint64_t tick = random_next(&state) & id_tick_max(&layout);
                uint64_t position = random_next(&state) & ((UINT64_C(1) << bits) - 1);
                uint64_t id, mask = (UINT64_C(1) << layout.sequence_bits) - 1;
                struct id_parts parts;

                cr_assert_eq(id_layout_check(&layout), 0);
                cr_assert_eq(id_compose(&layout, tick, position, &id), 0);
                cr_assert_eq(id >> 63, 0, "the sign bit stays 0");
                if (tick > (uint64_t)(INT64_MAX - layout.epoch_unix_ms)) {
                        cr_assert_eq(id_decompose(&layout, id, &parts), -ERANGE);
                        continue;
                }
                cr_assert_eq(id_decompose(&layout, id, &parts), 0);
                cr_assert_eq(parts.tick, tick);
                cr_assert_eq(parts.unix_ms, layout.epoch_unix_ms + (int64_t)tick);
                cr_assert_eq(parts.sequence, position & mask);
                cr_assert_eq(parts.worker, position >> layout.sequence_bits);
                cr_assert_eq(parts.region,
                             parts.worker >> (layout.worker_bits - layout.region_bits));
        }
}

/* Red when compose lets a tick or a position run into its neighbour. */
Test(id, limits) {
        const struct id_layout *layout = &id_layout_default;
        uint64_t id = 7;

        cr_assert_eq(id_compose(layout, id_tick_max(layout), (1u << 22) - 1, &id), 0);
        cr_assert_eq(id, INT64_MAX);
        id = 7;
        cr_assert_eq(id_compose(layout, id_tick_max(layout) + 1, 0, &id), -ERANGE);
        cr_assert_eq(id_compose(layout, 0, 1u << 22, &id), -ERANGE);
        cr_assert_eq(id_compose(layout, 0, UINT64_MAX, &id), -ERANGE);
        cr_assert_eq(id, 7, "untouched on failure");
        cr_assert_eq(id_compose(layout, 1, 4096 * 3 + 5, &id), 0);
        cr_assert_eq(id, (UINT64_C(1) << 22) + 3 * 4096 + 5);
}

Test(id, decompose_refuses_the_sign_bit_and_times_that_do_not_fit) {
        struct id_layout layout = id_layout_default;
        struct id_parts parts = { .tick = 42 };

        cr_assert_eq(id_decompose(&layout, UINT64_C(1) << 63, &parts), -ERANGE);
        layout.epoch_unix_ms = INT64_MAX - 1;
        cr_assert_eq(id_decompose(&layout, UINT64_C(2) << 22, &parts), -ERANGE);
        cr_assert_eq(parts.tick, 42, "untouched on failure");
        cr_assert_eq(id_decompose(&layout, UINT64_C(1) << 22, &parts), 0);
        cr_assert_eq(parts.unix_ms, INT64_MAX);
}

Test(id, first_is_the_lowest_of_its_millisecond) {
        const struct id_layout *layout = &id_layout_default;
        int64_t epoch = layout->epoch_unix_ms, last = epoch + (int64_t)id_tick_max(layout);
        struct id_parts parts;
        uint64_t id = 7;

        cr_assert_eq(id_first(layout, epoch - 1, &id), -ERANGE);
        cr_assert_eq(id_first(layout, last + 1, &id), -ERANGE);
        cr_assert_eq(id_first(layout, INT64_MIN, &id), -ERANGE);
        cr_assert_eq(id_first(layout, INT64_MAX, &id), -ERANGE);
        cr_assert_eq(id, 7, "untouched on failure");
        cr_assert_eq(id_first(layout, epoch, &id), 0);
        cr_assert_eq(id, 0);
        cr_assert_eq(id_first(layout, last, &id), 0);
        cr_assert_eq(id_decompose(layout, id, &parts), 0);
        cr_assert_eq(parts.unix_ms, last);
        cr_assert_eq(parts.worker + parts.sequence, 0);
        cr_assert_eq(id_decompose(layout, id - 1, &parts), 0);
        cr_assert_eq(parts.unix_ms, last - 1);
}

Test(id, layouts_that_do_not_add_up_are_refused) {
        struct id_layout layout = id_layout_default;

        layout.sequence_bits = 13;
        cr_assert_eq(id_layout_check(&layout), -EINVAL);
        layout = (struct id_layout){ .tick_bits = 0, .worker_bits = 32, .sequence_bits = 31 };
        cr_assert_eq(id_layout_check(&layout), -EINVAL);
        layout = (struct id_layout){ .tick_bits = 63 };
        cr_assert_eq(id_layout_check(&layout), 0);
        layout = id_layout_default;
        layout.region_bits = 10;
        cr_assert_eq(id_layout_check(&layout), 0);
        layout.region_bits = 11;
        cr_assert_eq(id_layout_check(&layout), -EINVAL);
        /* 41 + 255 + 23 is 63 in eight bits */
        layout = (struct id_layout){ .tick_bits = 41, .worker_bits = 255, .sequence_bits = 23 };
        cr_assert_eq(id_layout_check(&layout), -EINVAL);
}

Test(id, parse) {
        static const char *const bad[] = { "", "41", "41/10", "41/10/", "41/10/12/", "41/10/12/0",
                                           "41/10/13", "40/10/12", "0/31/32", "/10/53", "41//22",
                                           " 41/10/12", "41/10/12 ", "+41/10/12", "-1/52/12",
                                           "041/10/12", "41/010/12", "00/31/32", "41/10/1a",
                                           "297/10/12", "4294967337/10/12", "41.10.12",
                                           "41/10/268" };
        struct id_layout layout = { .region_bits = 3, .epoch_unix_ms = 77 };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                cr_assert_eq(id_layout_parse(bad[i], &layout), -EINVAL, "%s", bad[i]);
                cr_assert_eq(layout.tick_bits, 0, "untouched on failure: %s", bad[i]);
        }
        cr_assert_eq(id_layout_parse("42/0/21", &layout), 0);
        cr_assert_eq(layout.tick_bits, 42);
        cr_assert_eq(layout.worker_bits, 0);
        cr_assert_eq(layout.sequence_bits, 21);
        cr_assert_eq(layout.region_bits, 3, "left alone");
        cr_assert_eq(layout.epoch_unix_ms, 77, "left alone");
}
