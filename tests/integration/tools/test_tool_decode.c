/* SPDX-License-Identifier: MIT */
/*
 * sfshm(1) without a daemon: what decode and first print, and that bad input
 * gives a sentence which names it, never a guess: exit status 1 for an ID, 2 for the
 * command line.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

static void expect_status(int status, const char *part) {
        cr_assert_eq(result.status, status, "status %d", result.status);
        cr_assert_not_null(strstr(result.err, part), "'%s' is not in: %s", part, result.err);
        cr_assert_str_eq(result.out, "");
}

static void expect_error(const char *part) {
        expect_status(1, part);
}

/* The command line is wrong. */
static void expect_usage(const char *part) {
        expect_status(2, part);
        cr_assert_not_null(strstr(result.err, "--help'.\n"), "%s", result.err);
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

/* Red when the pipe is not read without "-". */
Test(decode, reads_a_pipe_without_arguments) {
        RUN_WITH("1\n2\n", "decode", "--json", LAYOUT);
        cr_assert_eq(result.status, 0, "%s", result.err);
        cr_assert_not_null(strstr(result.out, "\"id\":\"2\""), "%s", result.out);
        RUN("decode", LAYOUT);
        expect_output("");
}

/* Somebody typed it: an answer, not a wait without end. */
Test(decode, needs_ids_at_a_terminal, .timeout = 60) {
        int terminal = posix_openpt(O_RDWR | O_NOCTTY), fd;
        char command[512];

        cr_assert(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
        fd = open(ptsname(terminal), O_RDWR | O_NOCTTY);
        cr_assert_geq(fd, 0);
        cr_assert_eq(dup2(fd, STDIN_FILENO), STDIN_FILENO);
        snprintf(command, sizeof(command),
                 "text=$('%s' decode --layout 41/10/12 2>&1); test $? = 2 && "
                 "echo \"$text\" | grep -q 'needs IDs'",
                 getenv("SFSHM_TOOL"));
        cr_assert_eq(system(command), 0);
}

/* Red when the two forms of output and input go apart. */
Test(decode, reads_what_it_prints_as_json) {
        static char printed[TOOL_OUTPUT_MAX];

        RUN("decode", "--json", LAYOUT, "--region-bits", "3", "0", "1", ID, "9223372036854775807");
        cr_assert_eq(result.status, 0, "%s", result.err);
        strcpy(printed, result.out);
        run_with(printed, strlen(printed),
                 TOOL_ARGUMENTS("decode", "--json", LAYOUT, "--region-bits", "3"));
        expect_output(printed);
        RUN_WITH(" { \"id\" : \"7\" , \"x\": 1 }\r\n{\"id\":\"8\"}\n9\n", "decode", "--json", LAYOUT, "-");
        cr_assert_eq(result.status, 0, "%s", result.err);
        cr_assert_not_null(strstr(result.out, "\"id\":\"7\""));
        cr_assert_not_null(strstr(result.out, "\"id\":\"8\""));
        cr_assert_not_null(strstr(result.out, "\"id\":\"9\""));
}

/* A number of JSON may have lost its last digits, and a cut line is no object. */
Test(decode, refuses_other_json) {
        static const char *const bad[] = {
                "{\"id\":7}",      "{\"id\":\"7\"",       "{\"id\":\"7}",       "{\"id\":\"7\"x}",
                "{\"id\":\"7",      "{}",                  "{",                 "{\"x\":1,\"id\":\"7\"}",
                "[\"7\"]",         "{\"id\":\"\"}",       "{\"id\":\"7x\"}",     "{\"id\":\"-7\"}",
                "{\"id\":\" 7\"}",   "{\"id\":\"7\",\"t", "{\"ID\":\"7\"}",      "\"7\"",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char input[64];

                snprintf(input, sizeof(input), "%s\n8\n", bad[i]);
                run_with(input, strlen(input), TOOL_ARGUMENTS("decode", "--json", LAYOUT));
                cr_assert_eq(result.status, 1, "%s: %s", bad[i], result.out);
                cr_assert_not_null(strstr(result.err, "line 1: "), "%s", result.err);
                cr_assert_not_null(strstr(result.err, "is not an ID"), "%s", result.err);
                cr_assert_null(strstr(result.out, "\"7\""), "%s", result.out);
                cr_assert_not_null(strstr(result.out, "\"id\":\"8\""), "%s", result.out);
        }
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

/* Red when the default layout is taken without a word. */
Test(decode, says_that_the_layout_is_the_default) {
        RUN("decode", "--json", "--socket", "/nonexistent/sfshm.sock", ID);
        cr_assert_eq(result.status, 0, "%s", result.err);
        cr_assert_not_null(strstr(result.out, "\"worker\":5,\"sequence\":42"), "%s", result.out);
        cr_assert_not_null(strstr(result.err, "sfshm: note: sfshmd at /nonexistent/sfshm.sock tells "
                                              "no layout (there is no such file)"), "%s", result.err);
        cr_assert_not_null(strstr(result.err, "--layout"));
        RUN("first", "--socket", "/nonexistent/sfshm.sock", "2026-11-26");
        cr_assert_eq(result.status, 0, "%s", result.err);
        cr_assert_str_eq(result.out, "251497178726400000\n");
        cr_assert_not_null(strstr(result.err, "this is the default"), "%s", result.err);
}

Test(decode, names_bad_options) {
        RUN("decode", "--layout", "41/10/13", "1");
        expect_usage("'41/10/13' is not a layout");
        RUN("decode", "--layout", "20/33/10", "1");
        expect_usage("'20/33/10' is not possible");
        RUN("decode", "--layout", "", "1");
        expect_usage("'' is not a layout");
        RUN("decode", "--epoch", "yesterday", "1");
        expect_usage("'yesterday' is not a time: say 2026-11-23,");
        RUN("decode", "--epoch", "now", "1");
        expect_usage("'now' is not a time");
        RUN("decode", "--epoch", "2010-11-04T01:42:54.6575Z", "1");
        expect_usage("is not a time");
        RUN("decode", LAYOUT, "--region-bits", "11", "1");
        expect_usage("--region-bits 11 is more than the 10 worker bits");
        RUN("decode", "--region-bits", "300", "1");
        expect_usage("'300' is not a number of bits");
        RUN("decode", LAYOUT, "--colour", "1");
        expect_usage("--colour");
        RUN("decode", LAYOUT, "-n", "3", "1");
        expect_usage("'decode' takes no --count");
        RUN("encode", "1");
        expect_usage("'encode' is not a command");
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
        expect_usage("'2026-11-26T00:00:00' is not a time: say 2026-11-23, "
                     "2026-11-23T15:04:05.678Z, 2026-11-23 16:04+01:00, @1795446245.678, "
                     "Unix milliseconds, now or today");
        RUN("first", LAYOUT, "2026-02-30");
        expect_usage("'2026-02-30' is not a time");
        RUN("first", LAYOUT, "2024-12-31");
        expect_error("before the epoch or after the layout's end");
        RUN("first", LAYOUT, "2094-09-08");
        expect_error("before the epoch or after the layout's end");
        RUN("first", LAYOUT);
        expect_usage("one time");
}

Test(next, names_bad_counts) {
        static const char *const bad[] = { "-1",  "x",   "1099511627777", "",     "1K",   "1kk", "1k ",
                                           "1.5k", "e6", "1e",            "1e-3", "1e99", "1e6k", "0x10",
                                           "99999999999999999999", "99999999999999999999k" };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                RUN("next", "-n", bad[i]);
                expect_usage("is not a number from 0 to 1099511627776, such as 1000, 1k or 1e6");
        }
        RUN("next", "5");
        expect_usage("takes no argument, but got '5'");
        RUN("next", LAYOUT);
        expect_usage("takes no layout");
}

Test(next, says_that_there_is_no_daemon) {
        RUN("next", "--socket", "/nonexistent/sfshm.sock");
        expect_status(3, "cannot attach to sfshmd at /nonexistent/sfshm.sock");
}

/* Red when next attaches for nothing. */
Test(next, of_no_ids_needs_no_daemon) {
        RUN("next", "-n", "0", "--socket", "/nonexistent/sfshm.sock");
        expect_output("");
        RUN("next", "--count", "0k", "--json", "--socket", "/nonexistent/sfshm.sock");
        expect_output("");
}

Test(tool, has_help_and_version) {
        RUN("--help");
        cr_assert_eq(result.status, 0);
        cr_assert_not_null(strstr(result.out, "Usage: sfshm COMMAND"));
        RUN("-h");
        cr_assert_eq(result.status, 0);
        cr_assert_not_null(strstr(result.out, "Usage: sfshm COMMAND"));
        RUN("--version");
        expect_output("sfshm " SFSHM_VERSION "\n");
        RUN("-V");
        expect_output("sfshm " SFSHM_VERSION "\n");
}

/* Red when a command is missing in the table, or shows the options of another one. */
Test(tool, helps_with_each_command) {
        static const char *const commands[][2] = {
                { "next", "--count" }, { "decode", "--layout" }, { "first", "--epoch" },
                { "clock", "--shm" },  { "fence", "--above" },   { "workers", "--release" },
        };

        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
                char usage[64], options[TOOL_OUTPUT_MAX];

                RUN("help", commands[i][0]);
                cr_assert_eq(result.status, 0, "%s", result.err);
                snprintf(usage, sizeof(usage), "Usage: sfshm %s ", commands[i][0]);
                cr_assert_not_null(strstr(result.out, usage), "%s", result.out);
                cr_assert_not_null(strstr(result.out, commands[i][1]), "%s", result.out);
                cr_assert_eq(strstr(result.out, "--all-regions") != NULL, i == 5, "%s", result.out);
                snprintf(options, sizeof(options), "%s", result.out);
                RUN(commands[i][0], "-h");
                expect_output(options);
        }
        RUN("help", "foo");
        expect_usage("'foo' is not a command");
        RUN("help", "next", "foo");
        expect_usage("'help' takes one command");
}

/* Nothing goes to standard output, which may be a pipe that waits for IDs. */
Test(tool, without_a_command_shows_the_commands) {
        RUN(NULL);
        expect_status(2, "  decode   show the time");
        RUN("--json");
        expect_status(2, "  decode   show the time");
}
