/* SPDX-License-Identifier: MIT */
/*
 * sfshm(1) without a daemon: what decode and first print, and that bad input
 * gives exit status 1 and a sentence which names it, never a guess.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/tool.h"

#define LAYOUT "--layout=41/10/12", "--epoch=2025-01-01T00:00:00Z"
/* tick 59961600000 (2026-11-26), worker 5, sequence 42 */
#define ID "251497178726420522"

static struct tool_result result;

static void run_with(const char *input, size_t length, const char *const arguments[]) {
        unsetenv("SFSHM_SOCKET");
        tool_run(&result, "SFSHM_TOOL", arguments, input, length);
}
#define RUN(...) run_with("", 0, TOOL_ARGUMENTS(__VA_ARGS__))
#define RUN_WITH(input, ...) run_with(input, sizeof(input) - 1, TOOL_ARGUMENTS(__VA_ARGS__))

static void expect_error(const char *part) {
        cr_assert_eq(result.status, 1, "status %d", result.status);
        cr_assert_not_null(strstr(result.err, part), "'%s' is not in: %s", part, result.err);
        cr_assert_str_eq(result.out, "");
}

static void expect_output(const char *expected) {
        cr_assert_eq(result.status, 0, "status %d: %s", result.status, result.err);
        cr_assert_str_eq(result.out, expected);
        cr_assert_str_eq(result.err, "");
}

/* red when record.c swaps two fields */
Test(decode, prints_columns) {
        RUN("decode", LAYOUT, ID, "1");
        expect_output("                 ID  TIME                      REGION  WORKER  SEQUENCE\n"
                      " 251497178726420522  2026-11-26T00:00:00.000Z       0       5        42\n"
                      "                  1  2025-01-01T00:00:00.000Z       0       0         1\n");
}

Test(decode, prints_json_with_the_id_as_a_string) {
        RUN("decode", "--json", LAYOUT, ID);
        expect_output("{\"id\":\"251497178726420522\",\"time\":\"2026-11-26T00:00:00.000Z\","
                      "\"unix_ms\":1795651200000,\"region\":0,\"worker\":5,\"sequence\":42}\n");
}

/* red when number.c forgets base 16 */
Test(decode, takes_hexadecimal_and_the_largest_id) {
        RUN("decode", "--json", LAYOUT, "0x7fffffffffffffff", "9223372036854775807");
        cr_assert_eq(result.status, 0);
        for (char *line = strtok(result.out, "\n"); line; line = strtok(NULL, "\n"))
                cr_assert_str_eq(line,
                                 "{\"id\":\"9223372036854775807\","
                                 "\"time\":\"2094-09-07T15:47:35.551Z\",\"unix_ms\":3934712855551,"
                                 "\"region\":0,\"worker\":1023,\"sequence\":4095}");
}

Test(decode, splits_off_the_region) {
        RUN("decode", "--json", LAYOUT, "--region-bits", "3", "0x7fffffffffffffff");
        cr_assert_not_null(strstr(result.out, "\"region\":7,\"worker\":1023"), "%s", result.out);
}

Test(decode, reads_other_layouts) {
        RUN("decode", "--json", "--layout", "39/16/8", "--epoch", "0", "0x1000203");
        expect_output("{\"id\":\"16777731\",\"time\":\"1970-01-01T00:00:00.001Z\",\"unix_ms\":1,"
                      "\"region\":0,\"worker\":2,\"sequence\":3}\n");
}

/* red when read_line() keeps blanks, or blank lines become IDs */
Test(decode, reads_standard_input) {
        RUN_WITH(" 1\r\n\n0x2\t\n3", "decode", "--json", LAYOUT, "-");
        cr_assert_eq(result.status, 0, "%s", result.err);
        cr_assert_not_null(strstr(result.out, "\"id\":\"1\""));
        cr_assert_not_null(strstr(result.out, "\"id\":\"2\""));
        cr_assert_not_null(strstr(result.out, "\"id\":\"3\""));
}

Test(decode, prints_nothing_for_no_input) {
        RUN_WITH("", "decode", LAYOUT, "-");
        expect_output("");
}

/* red when decode_stream() stops at, or swallows, what is no ID */
Test(decode, names_bad_lines_and_goes_on) {
        RUN_WITH("1\n12x\n3\n", "decode", "--json", LAYOUT, "-");
        cr_assert_eq(result.status, 1);
        cr_assert_not_null(strstr(result.err, "line 2: '12x' is not an ID"), "%s", result.err);
        cr_assert_not_null(strstr(result.out, "\"id\":\"3\""));
}

Test(decode, survives_binary_and_endless_lines) {
        static char zeros[300000];

        RUN_WITH("1\0\n2\n", "decode", "--json", LAYOUT, "-");
        cr_assert_eq(result.status, 1);
        cr_assert_not_null(strstr(result.err, "line 1: '1\\x00' is not an ID"), "%s", result.err);
        cr_assert_null(strstr(result.out, "\"id\":\"1\""));
        memset(zeros, '0', sizeof(zeros));
        run_with(zeros, sizeof(zeros), TOOL_ARGUMENTS("decode", LAYOUT, "-"));
        expect_error("the line is too long");
}

Test(decode, names_bad_ids) {
        static const char *const bad[] = { "12x",
                                           "",
                                           "0x",
                                           "x",
                                           "1.0",
                                           "1e3",
                                           "+1",
                                           " 1",
                                           "1 2",
                                           "0xg",
                                           "99999999999999999999x" };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char part[64];

                RUN("decode", LAYOUT, bad[i]);
                snprintf(part, sizeof(part), "'%s' is not an ID", bad[i]);
                expect_error(part);
        }
        RUN("decode", LAYOUT, "--", "-5");
        expect_error("'-5' is not an ID");
}

/* red when number_parse() wraps, or the sign bit is masked off */
Test(decode, refuses_numbers_beyond_63_bits) {
        static const char *const bad[] = { "9223372036854775808", "18446744073709551616",
                                           "0x8000000000000000", "99999999999999999999999999" };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                RUN("decode", LAYOUT, bad[i]);
                expect_error("larger than the largest, 9223372036854775807");
                cr_assert_not_null(strstr(result.err, bad[i]));
        }
}

/* red when a control character reaches the terminal */
Test(decode, does_not_steer_the_terminal) {
        RUN("decode", LAYOUT, "\033[31m1");
        expect_error("'\\x1b[31m1' is not an ID");
        cr_assert_null(strchr(result.err, '\033'));
}

/* F1; red when the default layout is assumed */
Test(decode, never_guesses_the_layout) {
        RUN("decode", "--socket", "/nonexistent/sfshm.sock", "1");
        expect_error("/nonexistent/sfshm.sock");
        expect_error("--layout");
}

Test(decode, names_bad_options) {
        RUN("decode", "--layout", "41/10/13", "1");
        expect_error("'41/10/13' is not a layout");
        RUN("decode", "--layout", "20/33/10", "1");
        expect_error("'20/33/10' is not possible");
        RUN("decode", "--layout", "", "1");
        expect_error("'' is not a layout");
        RUN("decode", "--epoch", "yesterday", "1");
        expect_error("'yesterday' is not a time: say 2026-11-23,");
        RUN("decode", "--epoch", "now", "1");
        expect_error("'now' is not a time");
        RUN("decode", "--epoch", "2010-11-04T01:42:54.6575Z", "1");
        expect_error("is not a time");
        RUN("decode", LAYOUT, "--region-bits", "11", "1");
        expect_error("--region-bits 11 is more than the 10 worker bits");
        RUN("decode", "--region-bits", "300", "1");
        expect_error("'300' is not a number of bits");
        RUN("decode", LAYOUT, "--colour", "1");
        expect_error("--colour");
        RUN("decode", LAYOUT);
        expect_error("needs IDs");
        RUN("decode", LAYOUT, "-n", "3", "1");
        expect_error("options of 'next' only");
        RUN("encode", "1");
        expect_error("'encode' is not a command");
}

/* red when a full disk goes unnoticed */
Test(decode, says_when_the_output_cannot_be_written) {
        char command[512];

        cr_assert_not_null(getenv("SFSHM_TOOL"));
        snprintf(command, sizeof(command),
                 "'%s' decode --layout 41/10/12 1 2>&1 >/dev/full | "
                 "grep -q 'cannot write the output'",
                 getenv("SFSHM_TOOL"));
        cr_assert_eq(system(command), 0);
}

Test(first, prints_the_lowest_id_of_a_time) {
        RUN("first", LAYOUT, "2026-11-26T00:00:00Z");
        expect_output("251497178726400000\n");
        RUN("first", LAYOUT, "2026-11-26T01:00+01:00");
        expect_output("251497178726400000\n");
        RUN("first", LAYOUT, "1795651200000");
        expect_output("251497178726400000\n");
        RUN("first", LAYOUT, "2025-01-01");
        expect_output("0\n");
}

/* A time between two milliseconds is in the IDs of the earlier one. */
Test(first, takes_every_form_of_a_time) {
        static const char *const forms[] = {
                "2026-11-26", "2026-11-26 00:00Z", "2026-11-26T00:00:00.000999999Z",
                "2026-11-26T01:00:00+01", "2026-11-25T19:00:00-0500", "@1795651200", "@1795651200.0001",
        };

        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
                RUN("first", LAYOUT, forms[i]);
                expect_output("251497178726400000\n");
        }
        RUN("first", "--layout", "41/10/12", "--epoch", "1288834974657", "@1288834974.658");
        expect_output("4194304\n");
        RUN("first", "--layout", "41/10/12", "--epoch", "2010-11-04T01:42:54.657Z", "1288834974658");
        expect_output("4194304\n");
}

/* Red when today is not midnight UTC, or now is another clock's. */
Test(first, knows_now_and_today) {
        int64_t before_ms = (int64_t)time(NULL) * 1000, today, now;

        RUN("first", "--layout", "41/10/12", "--epoch", "0", "today");
        cr_assert_eq(result.status, 0, "%s", result.err);
        today = strtoll(result.out, NULL, 10) >> 22;
        RUN("first", "--layout", "41/10/12", "--epoch", "0", "now");
        cr_assert_eq(result.status, 0, "%s", result.err);
        now = strtoll(result.out, NULL, 10) >> 22;
        cr_assert(now >= before_ms && now < before_ms + 60000, "%" PRId64, now);
        cr_assert_eq(today % 86400000, 0);
        cr_assert(today <= now && now - today < 86400000 + 60000);
}

Test(first, refuses_other_times) {
        RUN("first", LAYOUT, "2026-11-26T00:00:00");
        expect_error("'2026-11-26T00:00:00' is not a time: say 2026-11-23, "
                     "2026-11-23T15:04:05.678Z, 2026-11-23 16:04+01:00, @1795446245.678, "
                     "Unix milliseconds, now or today");
        RUN("first", LAYOUT, "2026-02-30");
        expect_error("'2026-02-30' is not a time");
        RUN("first", LAYOUT, "2024-12-31");
        expect_error("before the epoch or after the layout's end");
        RUN("first", LAYOUT, "2094-09-08");
        expect_error("before the epoch or after the layout's end");
        RUN("first", LAYOUT);
        expect_error("one time");
}

Test(next, names_bad_counts) {
        static const char *const bad[] = { "0", "-1", "x", "1099511627777", "" };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                RUN("next", "-n", bad[i]);
                expect_error("is not a number from 1 to 1099511627776");
        }
        RUN("next", "5");
        expect_error("takes no argument, but got '5'");
        RUN("next", LAYOUT);
        expect_error("takes no layout");
}

Test(next, says_that_there_is_no_daemon) {
        RUN("next", "--socket", "/nonexistent/sfshm.sock");
        expect_error("cannot attach to sfshmd at /nonexistent/sfshm.sock");
}

Test(tool, has_help_and_version) {
        RUN("--help");
        cr_assert_eq(result.status, 0);
        cr_assert_not_null(strstr(result.out, "Usage: sfshm next"));
        RUN("--version");
        cr_assert_eq(result.status, 0);
        cr_assert_eq(strncmp(result.out, "sfshm ", 6), 0);
}
