/* SPDX-License-Identifier: MIT */
#pragma once
/* Whole numbers, alone or with a unit, to and from text. Pure. */
#include <stdint.h>

/* A table ends with a name of NULL. */
struct unit {
        const char *name;
        uint64_t factor;
};

extern const struct unit config_no_units[];
extern const struct unit config_durations[]; /* in ns: "10ns", "15s", "2min", "3d", "0" */
extern const struct unit config_sizes[];     /* in bytes: "6", "64MiB" */

/* Decimal digits and one of the units; -EINVAL otherwise, and when it does not fit. */
int config_parse_number(const char *text, const struct unit *units, uint64_t *ret);

#define NUMBER_TEXT_SIZE 32
/* In the largest unit that leaves no remainder. Returns `ret`. */
const char *config_number_text(uint64_t value, const struct unit *units,
                               char ret[NUMBER_TEXT_SIZE]);
