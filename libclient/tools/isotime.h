/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * ISO 8601 in UTC to and from Unix milliseconds, for every int64_t: an ID of a
 * layout with many tick bits may lie further out than the C library's calendar.
 * Proleptic Gregorian; no locale, no time zone data.
 */
#include <stdint.h>

#define ISOTIME_SIZE 40

/* "2026-11-23T15:04:05.678Z"; years outside 0000..9999 get a sign and as many
 * digits as they need. */
void isotime_format(int64_t unix_ms, char ret[ISOTIME_SIZE]);

/* A date (midnight UTC), or date, 'T' or a space, HH:MM[:SS[.mmm]] and 'Z' or
 * +HH:MM or -HH:MM; or a plain whole number of Unix milliseconds. -EINVAL for
 * anything else: no zone (whose midnight?), digits below a millisecond, dates
 * the calendar lacks; -ERANGE when it does not fit. */
int isotime_parse(const char *text, int64_t *ret_unix_ms);
