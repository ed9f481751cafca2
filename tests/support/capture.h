/* SPDX-License-Identifier: MIT */
#pragma once
/* What the code under test writes to stderr. Criterion runs each test in a
 * process of its own, so nothing has to be put back. */
#include <criterion/criterion.h>
#include <string.h>

void capture_begin(void);
/* What was written since the last call; valid until the next one. */
const char *capture_take(void);

#define cr_assert_contains(text, part)                                                             \
        cr_assert(strstr((text), (part)) != NULL, "\"%s\" is not in \"%s\"", (part), (text))
