/* SPDX-License-Identifier: MIT */
#pragma once
/* Parses numbers of the command line and of standard input. They take all of the text. */
#include <stddef.h>
#include <stdint.h>

/* Decimal digits, or 0x and hexadecimal digits; no sign, no blank. -EINVAL; -ERANGE: it needs
 * more than 64 bits. */
int number_parse(const char *text, size_t length, uint64_t *ret);

/* How many: decimal digits, and behind them k, M, G or an exponent: "1000", "1k", "1e6". -EINVAL,
 * -ERANGE. */
int number_parse_count(const char *text, uint64_t *ret);

/* Seconds with up to nine decimals ("1", "0.25"), in ns. -EINVAL, -ERANGE. */
int number_parse_seconds(const char *text, int64_t *ret_ns);
