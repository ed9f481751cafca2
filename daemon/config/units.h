/* SPDX-License-Identifier: MIT */
#pragma once
/* Whole numbers, alone or with a unit, to and from text. Pure. */
#include <stddef.h>
#include <stdint.h>

/* Decimal digits alone; -EINVAL otherwise, and when the number is out of range. */
int config_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/* "15s", "100ms", "2min", "1h", "500us", "10ns", "3d", "0": a whole number and its unit.
 * -EINVAL otherwise, and when it does not fit. */
int config_parse_duration(const char *text, int64_t *ret_ns);
/* "64MiB", "6": -EINVAL otherwise, and when it does not fit. */
int config_parse_size(const char *text, uint64_t *ret_bytes);

/* In the largest unit that leaves no remainder. */
void config_duration_text(int64_t ns, char *ret, size_t size);
void config_size_text(uint64_t bytes, char *ret, size_t size);
