/* SPDX-License-Identifier: MIT */
#pragma once
/* A state directory of this test's own, and a configuration of worker IDs 3 and 4 in it. */
#include "daemon/config/config.h"
#include "tests/support/scratch.h"

extern struct state_fixture {
        char base[SCRATCH_MAX];
        char dir[128]; /* base/state, not made */
        struct config config;
} state_fixture;

void state_fixture_begin(void);
void state_fixture_end(void);
/* dir/name, valid until the next call. */
const char *state_fixture_file(const char *name);
