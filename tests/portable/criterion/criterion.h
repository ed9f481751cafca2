/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the tests in this folder's meson.build use of Criterion, which exists neither for
 * other architectures nor for other C libraries: each test is a process of its own with a
 * time-out, a failed assertion ends it. runner.c is main().
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct portable_options {
        void (*init)(void);
        void (*fini)(void);
        double timeout; /* seconds; the runner has a least one */
};

struct portable_suite {
        const char *name;
        struct portable_options options;
        struct portable_suite *next;
};

struct portable_test {
        const char *suite, *name;
        void (*run)(void);
        struct portable_options options;
        struct portable_test *next;
};

/* Called by constructors, in the order of the source. */
void portable_add_suite(struct portable_suite *suite);
void portable_add_test(struct portable_test *test);

/* Ends the test. */
_Noreturn void portable_assert_failed(const char *file, int line, const char *condition,
                                      const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* The test goes on, and fails at its end. */
void portable_expect_failed(const char *file, int line, const char *condition,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Ends the test as skipped. */
_Noreturn void portable_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define TestSuite(suite_name, ...) \
        static struct portable_suite suite_name##_suite = { .name = #suite_name, \
                                                            .options = { __VA_ARGS__ } }; \
        __attribute__((constructor)) static void suite_name##_add_suite(void) { \
                portable_add_suite(&suite_name##_suite); \
        } \
        _Static_assert(true, "a semicolon follows")

#define Test(suite_name, test_name, ...) \
        static void suite_name##_##test_name##_run(void); \
        static struct portable_test suite_name##_##test_name##_test = { \
                .suite = #suite_name, \
                .name = #test_name, \
                .run = suite_name##_##test_name##_run, \
                .options = { __VA_ARGS__ }, \
        }; \
        __attribute__((constructor)) static void suite_name##_##test_name##_add(void) { \
                portable_add_test(&suite_name##_##test_name##_test); \
        } \
        static void suite_name##_##test_name##_run(void)

/* The format is optional: the blank makes one of none. */
#define PORTABLE_CHECK(kind, holds, text, ...) \
        do { \
                if (!(holds)) \
                        portable_##kind##_failed(__FILE__, __LINE__, text, " " __VA_ARGS__); \
        } while (0)

#define cr_assert(c, ...) PORTABLE_CHECK(assert, c, #c, __VA_ARGS__)
#define cr_assert_not(c, ...) PORTABLE_CHECK(assert, !(c), "not " #c, __VA_ARGS__)
#define cr_assert_null(p, ...) PORTABLE_CHECK(assert, (p) == NULL, #p " == NULL", __VA_ARGS__)
#define cr_assert_not_null(p, ...) PORTABLE_CHECK(assert, (p) != NULL, #p " != NULL", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) PORTABLE_CHECK(assert, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) PORTABLE_CHECK(assert, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) PORTABLE_CHECK(assert, (a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) PORTABLE_CHECK(assert, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) PORTABLE_CHECK(assert, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) PORTABLE_CHECK(assert, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) \
        PORTABLE_CHECK(assert, strcmp(a, b) == 0, #a " is " #b, __VA_ARGS__)
#define cr_assert_fail(...) PORTABLE_CHECK(assert, false, "reached", __VA_ARGS__)

#define cr_expect(c, ...) PORTABLE_CHECK(expect, c, #c, __VA_ARGS__)
#define cr_expect_eq(a, b, ...) PORTABLE_CHECK(expect, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...) PORTABLE_CHECK(expect, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...) PORTABLE_CHECK(expect, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...) PORTABLE_CHECK(expect, (a) >= (b), #a " >= " #b, __VA_ARGS__)

#define cr_skip_test(...) portable_skip(" " __VA_ARGS__)
