/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/ledger_world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct ledger_world world;

static void open_ledger(uint64_t now) {
        cr_assert_eq(
                ledger_new(&world.ledger, world.segment, (struct run){ RUN_START, RUN_WIDTH }, now),
                0);
        ledger_set_fence(world.ledger, 100000);
}

void world_begin(void) {
        world.segment = calloc(1, ledger_segment_size(CAPACITY));
        cr_assert_not_null(world.segment);
        world.segment->capacity = CAPACITY;
        world.segment->layout = id_layout_default;
        open_ledger(1000);
        for (uint32_t i = 0; i < 4; i++)
                cr_assert_eq(ledger_open_lane(world.ledger, i + 1, 0, 1000, 42, world.pages[i],
                                              &world.lanes[i]),
                             0);
}

void world_end(void) {
        world.ledger = ledger_free(world.ledger);
        free(world.segment);
}

void world_restart(uint64_t now) {
        world.ledger = ledger_free(world.ledger);
        open_ledger(now);
}

int world_grant(unsigned lane, unsigned slot, uint32_t start, uint32_t width, uint64_t t0,
                       uint64_t t1) {
        struct rectangle r = { .start = start, .width = width, .t0 = t0, .t1 = t1 };

        return ledger_grant(world.ledger, world.lanes[lane], slot, &r);
}
