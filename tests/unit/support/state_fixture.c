/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/state_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/support/own_space.h"
#include "tests/support/remove_tree.h"

struct state_fixture state_fixture;

void state_fixture_begin(void) {
        scratch_directory(state_fixture.base, "state");
        snprintf(state_fixture.dir, sizeof(state_fixture.dir), "%s/state", state_fixture.base);
        state_fixture.config = (struct config){ .state_dir = state_fixture.dir,
                                                .backend = (char *)"local",
                                                .space = own_space(),
                                                .has_first = true,
                                                .first = 3,
                                                .count = 2,
                                                .max_count = 2,
                                                .standing_ns = INT64_C(15000000000),
                                                .layout = id_layout_default };
}

void state_fixture_end(void) {
        remove_tree(state_fixture.base);
}

const char *state_fixture_file(const char *name) {
        static char path[256];

        snprintf(path, sizeof(path), "%s/%s", state_fixture.dir, name);
        return path;
}
