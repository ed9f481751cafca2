/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Times as text, to and from Unix milliseconds: the only parser and the only
 * formatter. They cover every int64_t, since an ID of a layout with many tick bits
 * may lie further out than the C library's calendar. Proleptic Gregorian calendar,
 * UTC; no locale, no time zone data, no leap seconds. Pure.
 */
#include <stdint.h>

#define ISOTIME_SIZE 40

/* "2026-11-23T15:04:05.678Z". A year outside 0000..9999 has a sign and as many
 * digits as it needs. Returns `ret`. */
const char *isotime_format(int64_t unix_ms, char ret[ISOTIME_SIZE]);

/* The same without ".000": "2026-11-23T15:04:05Z", "2026-11-23T15:04:05.678Z". */
const char *isotime_format_short(int64_t unix_ms, char ret[ISOTIME_SIZE]);

/* What isotime_parse() does with a time between two milliseconds, and whether it
 * takes a plain number. */
enum isotime_flags {
        ISOTIME_EXACT = 0, /* refuses it */
        ISOTIME_ROUND_DOWN = 1,
        ISOTIME_ROUND_UP = 2,
        ISOTIME_UNIX_MS = 4 /* a whole number, which may be negative, is Unix milliseconds */
};

/* The forms which isotime_parse() always takes, for messages. */
#define ISOTIME_FORMS \
        "2026-11-23, 2026-11-23T15:04:05.678Z, 2026-11-23 16:04+01:00, @1795446245.678"

/*
 * Takes all of the text, which is one of:
 *   YYYY-MM-DD                            midnight UTC
 *   YYYY-MM-DDTHH:MM[:SS[.FRACTION]]ZONE  a blank may stand for the T
 *   @SECONDS[.FRACTION]                   Unix seconds, which may be negative
 *   MILLISECONDS                          with ISOTIME_UNIX_MS
 * ZONE is Z, ±HH, ±HHMM or ±HH:MM, and a time of day needs one; a FRACTION has one
 * to nine digits. A year is four digits, or a sign and four to nine digits.
 *
 * -EINVAL: any other text; a date or time which does not exist (30 February, 24:00,
 * second 60, year -0000, zone +24); a fraction of a millisecond with ISOTIME_EXACT.
 * -ERANGE: does not fit an int64_t.
 */
int isotime_parse(const char *text, unsigned flags, int64_t *ret_unix_ms);
