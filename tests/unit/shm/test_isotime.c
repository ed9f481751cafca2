/* SPDX-License-Identifier: MIT */
/* Times as text. Red when, for instance, a leap year rule, a sign of the zone or a
 * rounding is changed in isotime.c. */
#include "shm/isotime.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "tests/support/random.h"

static void check_format(int64_t unix_ms, const char *expected, const char *expected_short) {
        char text[ISOTIME_SIZE];

        cr_assert_str_eq(isotime_format(unix_ms, text), expected, "%" PRId64, unix_ms);
        cr_assert_str_eq(isotime_format_short(unix_ms, text), expected_short, "%" PRId64, unix_ms);
}

Test(isotime, formats) {
        check_format(0, "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00Z");
        check_format(-1, "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z");
        check_format(-1000, "1969-12-31T23:59:59.000Z", "1969-12-31T23:59:59Z");
        check_format(1735689600000, "2025-01-01T00:00:00.000Z", "2025-01-01T00:00:00Z");
        check_format(1288834974657, "2010-11-04T01:42:54.657Z", "2010-11-04T01:42:54.657Z");
        check_format(951782400000, "2000-02-29T00:00:00.000Z", "2000-02-29T00:00:00Z");
        check_format(4107542399999, "2100-02-28T23:59:59.999Z", "2100-02-28T23:59:59.999Z");
        check_format(4107542400000, "2100-03-01T00:00:00.000Z", "2100-03-01T00:00:00Z");
        check_format(253402300799999, "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z");
}

Test(isotime, formats_years_of_any_size) {
        check_format(253402300800000, "+10000-01-01T00:00:00.000Z", "+10000-01-01T00:00:00Z");
        check_format(-62167219200001, "-0001-12-31T23:59:59.999Z", "-0001-12-31T23:59:59.999Z");
        check_format(INT64_MAX, "+292278994-08-17T07:12:55.807Z", "+292278994-08-17T07:12:55.807Z");
        check_format(INT64_MIN, "-292275055-05-16T16:47:04.192Z", "-292275055-05-16T16:47:04.192Z");
}

/* `result` with those flags, and the value untouched unless that is 0. */
static void check_parse(const char *text, unsigned flags, int result, int64_t expected) {
        int64_t unix_ms = 77;

        cr_assert_eq(isotime_parse(text, flags, &unix_ms), result, "'%s'", text);
        cr_assert_eq(unix_ms, result == 0 ? expected : 77, "'%s' gave %" PRId64, text, unix_ms);
}

#define T0 INT64_C(1735689600000)

Test(isotime, parses_dates_and_times_of_day) {
        static const struct {
                const char *text;
                int64_t unix_ms;
        } good[] = {
                { "2025-01-01", T0 },
                { "2024-02-29", T0 - INT64_C(307) * 86400000 },
                { "2025-01-01T00:00:00Z", T0 },
                { "2025-01-01 00:00:00Z", T0 },
                { "2025-01-01 00:00Z", T0 },
                { "2025-01-01T23:59:59Z", T0 + 86399000 },
                { "2025-01-01T00:00:00.5Z", T0 + 500 },
                { "2025-01-01T00:00:00.05Z", T0 + 50 },
                { "2025-01-01T00:00:00.005Z", T0 + 5 },
                { "2025-01-01T00:00:00.005000000Z", T0 + 5 },
                { "2010-11-04T01:42:54.657Z", 1288834974657 },
                { "2025-01-01T01:30:00+01:30", T0 },
                { "2025-01-01T01:30:00+0130", T0 },
                { "2025-01-01T01:00:00+01", T0 },
                { "2025-01-01T00:00:00.25+00", T0 + 250 },
                { "2024-12-31T19:00:00-05:00", T0 },
                { "2024-12-31T18:30-0530", T0 },
                { "2024-12-31 19:00-05", T0 },
                { "2025-01-01T23:59+23:59", T0 },
                { "0000-01-01", -62167219200000 },
                { "+10000-01-01", 253402300800000 },
                { "+010000-01-01T00:00Z", 253402300800000 },
                { "+2025-01-01", T0 },
                { "-0001-12-31T23:59:59.999Z", -62167219200001 },
                { "-0004-02-29", -62288352000000 },
        };

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                check_parse(good[i].text, ISOTIME_EXACT, 0, good[i].unix_ms);
}

Test(isotime, parses_unix_seconds) {
        check_parse("@0", ISOTIME_EXACT, 0, 0);
        check_parse("@1735689600", ISOTIME_EXACT, 0, T0);
        check_parse("@1288834974.657", ISOTIME_EXACT, 0, 1288834974657);
        check_parse("@1.5", ISOTIME_EXACT, 0, 1500);
        check_parse("@-1", ISOTIME_EXACT, 0, -1000);
        check_parse("@-1.5", ISOTIME_EXACT, 0, -1500);
        check_parse("@-0.001", ISOTIME_EXACT, 0, -1);
        check_parse("@9223372036854775.807", ISOTIME_EXACT, 0, INT64_MAX);
        check_parse("@-9223372036854775.808", ISOTIME_EXACT, 0, INT64_MIN);
}

/* A plain number may be meant to be an ID: only a caller that says so takes it. */
Test(isotime, parses_unix_milliseconds_where_they_are_allowed) {
        check_parse("1735689600000", ISOTIME_UNIX_MS, 0, T0);
        check_parse("0", ISOTIME_UNIX_MS, 0, 0);
        check_parse("-5", ISOTIME_UNIX_MS, 0, -5);
        check_parse("9223372036854775807", ISOTIME_UNIX_MS, 0, INT64_MAX);
        check_parse("-9223372036854775808", ISOTIME_UNIX_MS, 0, INT64_MIN);
        check_parse("1735689600000", ISOTIME_EXACT, -EINVAL, 0);
        check_parse("-5", ISOTIME_ROUND_UP, -EINVAL, 0);
        check_parse("2025", ISOTIME_ROUND_DOWN, -EINVAL, 0);
        check_parse("20250101", ISOTIME_ROUND_UP, -EINVAL, 0);
}

/* Red when one of them is cut off: a fence below an ID, or an epoch that is not the one given. */
Test(isotime, rounds_between_two_milliseconds_only_as_told) {
        static const struct {
                const char *text;
                int64_t down, up;
        } between[] = {
                { "2025-01-01T00:00:00.0000001Z", T0, T0 + 1 },
                { "2025-01-01T00:00:00.000999999Z", T0, T0 + 1 },
                { "2025-01-01T00:00:00.999000001Z", T0 + 999, T0 + 1000 },
                { "1969-12-31T23:59:59.999999999Z", -1, 0 },
                { "@1.0005", 1000, 1001 },
                { "@-1.0005", -1001, -1000 },
                { "@-0.000000001", -1, 0 },
        };

        for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++) {
                check_parse(between[i].text, ISOTIME_EXACT, -EINVAL, 0);
                check_parse(between[i].text, ISOTIME_ROUND_DOWN, 0, between[i].down);
                check_parse(between[i].text, ISOTIME_ROUND_UP, 0, between[i].up);
        }
        check_parse("2025-01-01T00:00:00.001Z", ISOTIME_ROUND_UP, 0, T0 + 1);
}

Test(isotime, refuses_what_would_be_a_guess) {
        static const char *const bad[] = {
                /* no time at all */
                "", "-", "+", "@", "@-", " 1", "1 ", "+1", "--1", "1e3", "1.5", "0x10", "now", "today",
                "yesterday", "Mon", "2025-01", "2025-W01-1", "2025-001",
                /* dates that do not exist, or are not all there */
                "2025-1-1", "2025-13-01", "2025-00-01", "2025-02-29", "2025-02-30", "2100-02-29",
                "1900-02-29", "2025-04-31", "2025-01-32", "2025-01-00", "025-01-01", "12025-01-01",
                "-0000-01-01", "+025-01-01", "+1234567890-01-01", "2025/01/01", "2025-01-01Z",
                "2025-01-01+01:00", " 2025-01-01", "2025-01-01 ",
                /* times of day */
                "2025-01-01T", "2025-01-01T00Z", "2025-01-01T0:00Z", "2025-01-01T24:00:00Z",
                "2025-01-01T00:60Z", "2025-01-01T00:00:60Z", "2016-12-31T23:59:60Z",
                "2025-01-01T00:00:Z", "2025-01-01T00:00:00.Z", "2025-01-01T00:00.5Z",
                "2025-01-01T00:00:00,5Z", "2025-01-01T00:00:00.0000000000Z", "2025-01-01t00:00:00Z",
                "2025-01-01_00:00:00Z", "2025-01-01  00:00:00Z", "2025-01-01T000000Z",
                /* zones: whose midnight would it be? */
                "2025-01-01T00:00:00", "2025-01-01 00:00", "2025-01-01T00:00:00z",
                "2025-01-01T00:00:00 Z", "2025-01-01T00:00:00Zx", "2025-01-01T00:00:00Z ",
                "2025-01-01T00:00:00+1:00", "2025-01-01T00:00:00+1", "2025-01-01T00:00:00+",
                "2025-01-01T00:00:00+01:", "2025-01-01T00:00:00+01:0", "2025-01-01T00:00:00+010",
                "2025-01-01T00:00:00+24:00", "2025-01-01T00:00:00+01:60", "2025-01-01T00:00:00+01:00Z",
                "2025-01-01T00:00:00 UTC", ("2025-01-01T00:00:00\xE2\x88\x92" "01:00"),
                /* Unix times */
                "@1.", "@.5", "@+1", "@ 1", "@1 ", "@1s", "@1.0000000000", "@1-1", "@2025-01-01",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                check_parse(bad[i], ISOTIME_UNIX_MS | ISOTIME_ROUND_UP, -EINVAL, 0);
}

Test(isotime, refuses_what_does_not_fit) {
        static const char *const bad[] = {
                "9223372036854775808",
                "-9223372036854775809",
                "99999999999999999999999999",
                "@9223372036854775.808",
                "@-9223372036854775.809",
                "@9223372036854775808",
                "@99999999999999999999999999.5",
                "@9223372036854775.8070001", /* rounded up */
                "+292278994-08-17T07:12:55.808Z",
                "-292275055-05-16T16:47:04.191Z",
                "+292278994-08-17T07:12:55.807-00:01",
                "+999999999-12-31",
                "-999999999-01-01",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                check_parse(bad[i], ISOTIME_UNIX_MS | ISOTIME_ROUND_UP, -ERANGE, 0);
}

static void check_round_trip(int64_t unix_ms) {
        char text[ISOTIME_SIZE], number[ISOTIME_SIZE];

        check_parse(isotime_format(unix_ms, text), ISOTIME_EXACT, 0, unix_ms);
        check_parse(isotime_format_short(unix_ms, text), ISOTIME_EXACT, 0, unix_ms);
        snprintf(number, sizeof(number), "%" PRId64, unix_ms);
        check_parse(number, ISOTIME_UNIX_MS, 0, unix_ms);
}

/* Every day of 400 years, after which the calendar repeats; the days must also follow each
 * other. */
Test(isotime, round_trips_every_day_of_400_years) {
        const int64_t first = INT64_C(-12219292800000); /* 1582-10-15 */

        for (int64_t day = 0; day < 146097; day++)
                check_round_trip(first + day * 86400000 + day % 86400000);
}

/* All that an int64_t can have, of each size. */
Test(isotime, round_trips_any_time) {
        uint64_t seed = 0x15071;

        for (int i = 0; i < 100000; i++)
                check_round_trip((int64_t)random_next(&seed) >> i % 64);
        check_round_trip(INT64_MIN);
        check_round_trip(INT64_MAX);
}
