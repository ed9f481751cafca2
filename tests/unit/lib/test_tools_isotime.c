/* SPDX-License-Identifier: MIT */
/*
 * Times of the tools. Red when, for instance, a leap year rule or the order of
 * zone and time is changed in isotime.c. The tools are programs, not a
 * library: their parts are compiled in here.
 */
#include "libclient/tools/isotime.c"
#include "libclient/tools/number.c"

#include <criterion/criterion.h>

static void check_format(int64_t unix_ms, const char *expected) {
        char text[ISOTIME_SIZE];

        isotime_format(unix_ms, text);
        cr_assert_str_eq(text, expected, "%lld gave %s", (long long)unix_ms, text);
}

Test(isotime, formats) {
        check_format(0, "1970-01-01T00:00:00.000Z");
        check_format(-1, "1969-12-31T23:59:59.999Z");
        check_format(INT64_C(1735689600000), "2025-01-01T00:00:00.000Z");
        check_format(INT64_C(951782400000), "2000-02-29T00:00:00.000Z");
        check_format(INT64_C(4107542399999), "2100-02-28T23:59:59.999Z");
        check_format(INT64_C(4107542400000), "2100-03-01T00:00:00.000Z");
        check_format(INT64_C(253402300799999), "9999-12-31T23:59:59.999Z");
}

Test(isotime, formats_years_of_any_size) {
        check_format(INT64_C(253402300800000), "+10000-01-01T00:00:00.000Z");
        check_format(INT64_C(-62167219200001), "-0001-12-31T23:59:59.999Z");
        check_format(INT64_MAX, "+292278994-08-17T07:12:55.807Z");
        check_format(INT64_MIN, "-292275055-05-16T16:47:04.192Z");
}

static void check_parse(const char *text, int64_t expected) {
        int64_t unix_ms = 77;

        cr_assert_eq(isotime_parse(text, &unix_ms), 0, "%s was refused", text);
        cr_assert_eq(unix_ms, expected, "%s gave %lld", text, (long long)unix_ms);
}

Test(isotime, parses) {
        check_parse("2025-01-01T00:00:00Z", INT64_C(1735689600000));
        check_parse("2025-01-01", INT64_C(1735689600000));
        check_parse("2025-01-01 00:00Z", INT64_C(1735689600000));
        check_parse("2025-01-01T00:00:00.5Z", INT64_C(1735689600500));
        check_parse("2025-01-01T00:00:00.05Z", INT64_C(1735689600050));
        check_parse("2025-01-01T00:00:00.005Z", INT64_C(1735689600005));
        check_parse("2025-01-01T01:30:00+01:30", INT64_C(1735689600000));
        check_parse("2024-12-31T19:00:00-05:00", INT64_C(1735689600000));
        check_parse("0000-01-01", INT64_C(-62167219200000));
        check_parse("1735689600000", INT64_C(1735689600000));
        check_parse("-5", -5);
        check_parse("9223372036854775807", INT64_MAX);
        check_parse("-9223372036854775808", INT64_MIN);
}

Test(isotime, refuses_what_would_be_a_guess) {
        static const char *const bad[] = {
                "",
                "-",
                " 1",
                "1 ",
                "+1",
                "1e3",
                "now",
                "2025-1-1",
                "2025-13-01",
                "2025-00-01",
                "2025-02-29",
                "2100-02-29",
                "2025-04-31",
                "2025-01-32",
                "2025-01-01T",
                "2025-01-01Z",
                "2025-01-01T00:00:00",
                "2025-01-01T24:00:00Z",
                "2025-01-01T00:60Z",
                "2025-01-01T00:00:60Z",
                "2025-01-01T00:00:00.Z",
                "2025-01-01T00:00:00.0001Z",
                "2025-01-01T00:00:00Zx",
                "2025-01-01T00:00:00+1:00",
                "2025-01-01T00:00:00+01",
                "12025-01-01",
                "2025-01-01T00Z",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                int64_t unix_ms = 77;

                cr_assert_eq(isotime_parse(bad[i], &unix_ms), -EINVAL, "'%s' was taken", bad[i]);
                cr_assert_eq(unix_ms, 77, "'%s' changed the result", bad[i]);
        }
}

Test(isotime, refuses_what_does_not_fit) {
        int64_t unix_ms = 77;

        cr_assert_eq(isotime_parse("9223372036854775808", &unix_ms), -ERANGE);
        cr_assert_eq(isotime_parse("-9223372036854775809", &unix_ms), -ERANGE);
        cr_assert_eq(unix_ms, 77);
}

/* Every day of 800 years, both ways; the days must also follow each other. */
Test(isotime, round_trips) {
        const int64_t first = INT64_C(-12219292800000); /* 1582-10-15 */

        for (int64_t day = 0; day < 292194; day++) {
                int64_t unix_ms = first + day * 86400000 + day % 86400000, back;
                char text[ISOTIME_SIZE];

                isotime_format(unix_ms, text);
                cr_assert_eq(isotime_parse(text, &back), 0, "%s", text);
                cr_assert_eq(back, unix_ms, "%s", text);
        }
}

static void check_number(const char *text, int result, uint64_t expected) {
        uint64_t value = 77;

        cr_assert_eq(number_parse(text, strlen(text), &value), result, "'%s'", text);
        cr_assert_eq(value, result == 0 ? expected : 77, "'%s'", text);
}

Test(number, parses_all_of_the_text_or_nothing) {
        check_number("0", 0, 0);
        check_number("007", 0, 7);
        check_number("18446744073709551615", 0, UINT64_MAX);
        check_number("0xff", 0, 255);
        check_number("0XFFFFFFFFFFFFFFFF", 0, UINT64_MAX);
        check_number("18446744073709551616", -ERANGE, 0);
        check_number("0x10000000000000000", -ERANGE, 0);
        check_number("99999999999999999999999", -ERANGE, 0);
        check_number("99999999999999999999999x", -EINVAL, 0);
        check_number("", -EINVAL, 0);
        check_number("0x", -EINVAL, 0);
        check_number("-1", -EINVAL, 0);
        check_number(" 1", -EINVAL, 0);
        check_number("1 ", -EINVAL, 0);
        check_number("12x", -EINVAL, 0);
        check_number("ff", -EINVAL, 0);
}

static void check_seconds(const char *text, int result, int64_t expected) {
        int64_t value = 77;

        cr_assert_eq(number_parse_seconds(text, &value), result, "'%s'", text);
        cr_assert_eq(value, result == 0 ? expected : 77, "'%s'", text);
}

Test(number, parses_seconds) {
        check_seconds("1", 0, 1000000000);
        check_seconds("0.25", 0, 250000000);
        check_seconds("0.000000001", 0, 1);
        check_seconds("9223372036", 0, INT64_C(9223372036000000000));
        check_seconds("9223372036.9", -ERANGE, 0);
        check_seconds("9223372037", -ERANGE, 0);
        check_seconds("99999999999999999999", -ERANGE, 0);
        check_seconds("", -EINVAL, 0);
        check_seconds(".5", -EINVAL, 0);
        check_seconds("1.", -EINVAL, 0);
        check_seconds("-1", -EINVAL, 0);
        check_seconds("1s", -EINVAL, 0);
        check_seconds("0.0000000001", -EINVAL, 0);
}
