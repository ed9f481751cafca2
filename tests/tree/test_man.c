/* SPDX-License-Identifier: MIT */
/*
 * The manual against the code: every key of the configuration stands in
 * sfshmd.conf(5) with its default and whether it is live, and no other; every metric in
 * sfshm-stat(1), and every key of its screen; every public function in a page which shows
 * its arguments.
 * Red when a key, metric or argument is added or changed on one side only.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/keys.h"
#include "shm/statistics.h"

static char *read_file(const char *path) {
        FILE *file = fopen(path, "re");
        size_t size = 1 << 20, n;
        char *text = malloc(size);

        cr_assert(file && text, "cannot read %s: set $SFSHM_SOURCE to the project's root", path);
        n = fread(text, 1, size - 1, file);
        text[n] = '\0';
        fclose(file);
        return text;
}

static char *read_source(const char *path) {
        const char *root = getenv("SFSHM_SOURCE");
        char full[4096];

        snprintf(full, sizeof(full), "%s/%s", root ? root : ".", path);
        return read_file(full);
}

static size_t count(const char *text, const char *part) {
        size_t n = 0;

        for (; (text = strstr(text, part)) != NULL; text += strlen(part))
                n++;
        return n;
}

/* A key that changes on SIGHUP is marked as live, no other is. */
static void check_key(const char *page, const struct config_key *key) {
        const char *value = key->default_text;
        char expected[512];
        size_t length = (size_t)snprintf(expected, sizeof(expected),
                                         "\n.It Ic %s\n.Pq default: %s%s\n", key->name,
                                         *value ? "Li " : "", *value ? value : "empty");
        const char *found = strstr(page, expected);

        cr_expect_eq(count(page, expected), 1, "sfshmd.conf(5) needs this once:%s", expected);
        cr_expect(!found || (strncmp(found + length, ".Pq live\n", 9) == 0) ==
                                    (key->change == KEY_LIVE),
                  "sfshmd.conf(5) needs '.Pq live' below the default of the live keys alone: %s",
                  key->name);
}

Test(man, has_every_key_with_its_default_and_no_other) {
        char *page = read_source("daemon/man/sfshmd.conf.5");

        for (size_t i = 0; i < config_n_keys; i++)
                check_key(page, &config_keys[i]);
        cr_assert_gt(config_n_keys, 20);
        cr_assert_eq(count(page, "\n.It Ic "), config_n_keys,
                     "sfshmd.conf(5) has keys that do not exist");
        free(page);
}

static void check_metric(const char *page, const char *name, const char *label, enum metric_type type,
                         const char *help, const char *action) {
        static const char *const types[] = { [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge",
                                             [METRIC_HISTOGRAM] = "histogram" };
        char expected[1024];
        const char *at, *next;

        snprintf(expected, sizeof(expected), " .It Va %s %s%s%sPq %s %s ", name,
                 *label ? "Ns Bro Va " : "", label, *label ? " Brc " : "", types[type], help);
        cr_assert_eq(count(page, expected), 1, "sfshm-stat(1) needs this once:%s", expected);
        if (*action == '\0')
                return;
        at = strstr(page, expected) + 1;
        next = strstr(at + 1, " .It ");
        snprintf(expected, sizeof(expected), " .Em What to do : %s. ", action);
        at = strstr(at, expected);
        cr_expect(at != NULL && (next == NULL || at < next),
                  "sfshm-stat(1) does not have at %s:%s", name, expected);
}

Test(man, has_every_metric_and_no_other) {
        char *page = read_source("libclient/man/sfshm-stat.1");

        for (char *c = page; *c != '\0'; c++)
                *c = *c == '\n' ? ' ' : *c; /* long sentences have several lines */

#define CHECK(identifier, name, type, label, help, action) \
        check_metric(page, name, label, METRIC_##type, help, action);
        METRICS_FAMILIES(CHECK)
#undef CHECK
        cr_expect_eq(count(page, " .It Va sfshm_"), METRICS);
        free(page);
}

/* Has a line with that beginning this word: ".It Ic p , Pq space" has "p"? */
static bool has_word(const char *text, const char *beginning, char word) {
        for (const char *at = text; (at = strstr(at, beginning)) != NULL; at++)
                for (const char *c = at + strlen(beginning); *c != '\n' && *c != '\0'; c++)
                        if (*c == word && strchr(" &", c[-1]) && strchr(" ,\n", c[1]))
                                return true;
        return false;
}

/* In the page and in the help of the screen. */
Test(man, has_every_key_of_top) {
        char *page = read_source("libclient/man/sfshm-stat.1");
        char *code = read_source("libclient/tools/top/keys.c");
        char *help = read_source("libclient/tools/top/frame.c");
        size_t n = 0;

        for (const char *at = code; (at = strstr(at, "case '")) != NULL; n++) {
                char key = at[6];

                at += 7;
                if (*at != '\'' || key == ' ' || key == 'Q')
                        continue;
                cr_expect(has_word(page, "\n.It Ic ", key), "sfshm-stat(1) needs .It Ic %c", key);
                cr_expect(has_word(help, "\n                \"  ", key), "its help needs %c", key);
        }
        cr_assert_gt(n, 10);
        free(help);
        free(code);
        free(page);
}

/* `declaration` is "int sfshm_next(sfshm *s, uint64_t *ret_id)". */
static void check_function(char *declaration) {
        char *open = strchr(declaration, '('), *name = open, *page, *argument, *rest;
        char path[256], expected[512];

        while (name > declaration && name[-1] != ' ' && name[-1] != '*')
                name--;
        *open = '\0';
        snprintf(path, sizeof(path), "libclient/man/%s.3", name);
        page = read_source(path);
        snprintf(expected, sizeof(expected), "\n.Fo %s\n", name);
        cr_expect_eq(count(page, expected), 1, "%s needs '.Fo %s'", path, name);
        *strrchr(open + 1, ')') = '\0';
        for (argument = strtok_r(open + 1, ",", &rest); argument;
             argument = strtok_r(NULL, ",", &rest)) {
                argument += strspn(argument, " \n");
                snprintf(expected, sizeof(expected), "\n.Fa \"%s\"\n", argument);
                cr_expect_eq(count(page, expected), 1, "%s needs '.Fa \"%s\"'", path, argument);
        }
        free(page);
}

Test(man, has_every_public_function) {
        char *header = read_source("libclient/sfshm.h"), *line, *rest;
        size_t n = 0;

        for (line = strtok_r(header, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                if (strchr(" #/*}", *line) || !strstr(line, "sfshm_") || !strstr(line, ");"))
                        continue;
                check_function(line);
                n++;
        }
        cr_assert_geq(n, 11, "only %zu declarations found in sfshm.h", n);
        free(header);
}
