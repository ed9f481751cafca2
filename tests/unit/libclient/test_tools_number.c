/* SPDX-License-Identifier: MIT */
/* Numbers on the command line of the tools, which are programs, not a library: the
 * module is compiled in here. */
#include "libclient/observe/number.c"

#include <criterion/criterion.h>

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

static void check_count(const char *text, int result, uint64_t expected) {
        uint64_t value = 77;

        cr_assert_eq(number_parse_count(text, &value), result, "'%s'", text);
        cr_assert_eq(value, result == 0 ? expected : 77, "'%s'", text);
}

/* Red when an exponent wraps, or what stands behind a suffix is not looked at. */
Test(number, parses_counts) {
        check_count("0", 0, 0);
        check_count("0k", 0, 0);
        check_count("1000", 0, 1000);
        check_count("1k", 0, 1000);
        check_count("12M", 0, 12000000);
        check_count("3G", 0, 3000000000);
        check_count("1e6", 0, 1000000);
        check_count("7e0", 0, 7);
        check_count("1e19", 0, UINT64_C(10000000000000000000));
        check_count("18446744073709551615", 0, UINT64_MAX);
        check_count("2e19", -ERANGE, 0);
        check_count("18446744073709552k", -ERANGE, 0);
        check_count("99999999999999999999", -ERANGE, 0);
        check_count("1e20", -EINVAL, 0);
        check_count("1e18446744073709551616", -EINVAL, 0);
        check_count("", -EINVAL, 0);
        check_count("k", -EINVAL, 0);
        check_count("1K", -EINVAL, 0);
        check_count("1kM", -EINVAL, 0);
        check_count("1k ", -EINVAL, 0);
        check_count("1e", -EINVAL, 0);
        check_count("1e+3", -EINVAL, 0);
        check_count("1e0x3", -EINVAL, 0);
        check_count("1.5k", -EINVAL, 0);
        check_count("-1k", -EINVAL, 0);
        check_count("0x1e3", -EINVAL, 0);
}
