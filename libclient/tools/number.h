/* SPDX-License-Identifier: MIT */
#pragma once
/* Numbers on the command line and on standard input: all of the text or none. */
#include <stddef.h>
#include <stdint.h>

/* Decimal digits, or 0x and hexadecimal ones; no sign, no space. -EINVAL;
 * -ERANGE when it needs more than 64 bits. */
int number_parse(const char *text, size_t length, uint64_t *ret);

/* Seconds with up to nine decimals ("1", "0.25"), in ns. -EINVAL, -ERANGE. */
int number_parse_seconds(const char *text, int64_t *ret_ns);
