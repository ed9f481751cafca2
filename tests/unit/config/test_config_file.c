/* SPDX-License-Identifier: MIT */
/* How a file is split into lines, keys and values. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/capture.h"
#include "tests/support/random.h"
#include "tests/unit/support/config_fixture.h"

TestSuite(config_file, .init = config_fixture_begin, .fini = config_fixture_end);

/* "[workers]", then `key` = `zeros` zeros and `value`, without a newline at the end. */
static void write_padded(const char *key, size_t zeros, const char *value) {
        FILE *file = fopen(config_fixture.path, "w");

        cr_assert_not_null(file);
        fprintf(file, FIRST "%s = ", key);
        while (zeros-- > 0)
                fputc('0', file);
        fputs(value, file);
        cr_assert_eq(fclose(file), 0);
}

/* Red when a line is cut, or split and its end read as a line of its own. */
Test(config_file, lines_of_all_lengths_are_read_whole) {
        for (size_t zeros = 100; zeros < 6000; zeros += zeros < 300 ? 1 : 97) {
                struct config *c = NULL;

                write_padded("count", zeros, "77");
                cr_assert_eq(config_load(&c, config_fixture.path, NULL), 0, "%s", capture_take());
                cr_assert_eq(c->count, 77);
                config_free(c);
        }
}

Test(config_file, a_value_has_at_most_64_kib) {
        struct config *c = NULL;

        write_padded("count", 65534, "77");
        cr_assert_eq(config_load(&c, config_fixture.path, NULL), 0, "%s", capture_take());
        cr_assert_eq(c->count, 77);
        c = config_free(c);
        write_padded("count", 65535, "77");
        cr_assert_eq(config_load(&c, config_fixture.path, NULL), -EINVAL);
        cr_assert_contains(capture_take(), "sfshmd.conf:3: the value of workers.count has 65537 "
                                           "bytes; at most 65536 are allowed");
        write_padded("count", 1000000, "77");
        cr_assert_eq(config_load(&c, config_fixture.path, NULL), -EINVAL);
        cr_assert_contains(capture_take(), "workers.count has 1000002 bytes");
}

/* The log cuts long messages. Red when the refused value displaces the reason. */
Test(config_file, a_long_refused_value_is_shown_in_part) {
        struct config *c = NULL;
        const char *error;

        write_padded("count", 65530, "x");
        cr_assert_eq(config_load(&c, config_fixture.path, NULL), -EINVAL);
        error = capture_take();
        cr_assert_contains(error, "sfshmd.conf:3: workers.count = \"00000");
        cr_assert_contains(error, "000...\" is not allowed; workers.count takes a whole number");
}

Test(config_file, long_names_are_refused_as_unknown) {
        char name[3000], text[3100];

        memset(name, 'n', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        snprintf(text, sizeof(text), "\n[%s]\n", name);
        cr_assert_contains(config_fixture_refused(text, NULL),
                           "sfshmd.conf:2: unknown section [nnn");
        snprintf(text, sizeof(text), "[daemon]\n%s = 1\n", name);
        cr_assert_contains(config_fixture_refused(text, NULL),
                           "sfshmd.conf:2: unknown key daemon.nnn");
}

Test(config_file, a_zero_byte_is_refused) {
        struct config *c = NULL;

        config_fixture_write_bytes(config_fixture.path, "[workers]\nfirst = 1\0" "2\n", 22);
        cr_assert_eq(config_load(&c, config_fixture.path, NULL), -EINVAL);
        cr_assert_contains(capture_take(), "sfshmd.conf:2: the line holds a zero byte");
}

static const char *pick(uint64_t *state, const char *const words[], size_t n) {
        return words[random_below(state, n)];
}

/* What a line of random words means; NULL: it is refused. */
static char *expected_group(const char *value) {
        static char group[200];
        size_t n;

        for (const char *p = value; *p; p++)
                if ((*p == ';' || *p == '#') && p > value && strchr(" \t", p[-1]))
                        return NULL;
        snprintf(group, sizeof(group), "%s", value + strspn(value, " \t"));
        for (n = strlen(group); n > 0 && strchr(" \t", group[n - 1]); n--)
                group[n - 1] = '\0';
        return strlen(group) > 64 || strpbrk(group, "\t") ? NULL : group;
}

/* Red when a value is cut, trimmed too much or read on after a '=' or a bracket in it. */
Test(config_file, random_values_are_read_as_they_stand) {
        static const char *const words[] = { "a", "=", ":", "[", "]", ";", "#", " ", "  ", "\t",
                                             "b c", "\"", "'", "\\", "%s", "/x" };
        static const char *const blanks[] = { "", " ", "\t ", "  " };
        static const char *const ends[] = { "\n", "\r\n", " \n", "", "\n\n# end", "\n[id]" };
        uint64_t state = 20;
        unsigned read = 0;

        for (unsigned round = 0; round < 500; round++) {
                char value[120] = " ", text[400];
                const char *expected;
                struct config *c = NULL;
                int r;

                for (size_t n = random_below(&state, 24); n > 0; n--)
                        strcat(value, pick(&state, words, 16));
                snprintf(text, sizeof(text), FIRST "[daemon]\nsocket_group%s=%s%s",
                         pick(&state, blanks, 4), value, pick(&state, ends, 6));
                expected = expected_group(value);
                config_fixture_write("sfshmd.conf", text);
                r = config_load(&c, config_fixture.path, NULL);
                if (expected == NULL) {
                        cr_assert_eq(r, -EINVAL, "%s", text);
                        cr_assert_contains(capture_take(), "sfshmd.conf:4: ");
                        continue;
                }
                cr_assert_eq(r, 0, "%s: %s", text, capture_take());
                cr_assert_str_eq(c->socket_group, expected, "%s", text);
                config_free(c);
                read++;
        }
        cr_assert_gt(read, 100);
}

/* Bytes of any kind: read or refused, with file and line. */
Test(config_file, random_bytes_are_read_or_refused) {
        static const char alphabet[] = "[]=:;# \t\r\n\n\nfirstcount01workers.\xEF\xBB\xBF\xFF";
        uint64_t state = 21;

        for (unsigned round = 0; round < 500; round++) {
                char bytes[200];
                size_t n = 1 + random_below(&state, sizeof(bytes) - 1);
                struct config *c = NULL;
                int r;

                /* with its NUL */
                for (size_t i = 0; i < n; i++)
                        bytes[i] = alphabet[random_below(&state, sizeof(alphabet))];
                config_fixture_write_bytes(config_fixture.path, bytes, n);
                r = config_load(&c, config_fixture.path, NULL);
                cr_assert(r == 0 || r == -EINVAL);
                if (r < 0)
                        cr_assert_contains(capture_take(), "error: ");
                config_free(c);
        }
}
