/* SPDX-License-Identifier: MIT */
/*
 * The sample of the configuration against the table of keys: every key stands in it once,
 * in its section, with its default and its help; with all of them it loads. Red when a
 * key, default or help changes on one side only.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/keys.h"
#include "daemon/config/load.h"
#include "tests/support/capture.h"

#define LINE_MAX_BYTES 256

/* A line "#name = value" of a section, and the comment above it. */
struct sample {
        char section[32], name[LINE_MAX_BYTES + 32], comment[1024];
        char *value;
};

static char *path_of_sample(void) {
        static char path[4096];
        const char *root = getenv("SFSHM_SOURCE");

        snprintf(path, sizeof(path), "%s/daemon/config/sfshmd.conf", root != NULL ? root : ".");
        return path;
}

/* Fills `ret` from the next such line; false: there is none. */
static bool sample_next(FILE *file, struct sample *ret) {
        char line[LINE_MAX_BYTES];

        ret->comment[0] = '\0';
        while (fgets(line, sizeof(line), file) != NULL) {
                size_t used = strlen(ret->comment);

                line[strcspn(line, "\n")] = '\0';
                if (line[0] == '\0')
                        ret->comment[0] = '\0';
                else if (line[0] == '[')
                        cr_assert_eq(sscanf(line, "[%31[a-z]]", ret->section), 1, "%s", line);
                else if (strncmp(line, "# ", 2) == 0)
                        snprintf(ret->comment + used, sizeof(ret->comment) - used, "%s%s",
                                 used > 0 ? " " : "", line + 2);
                else {
                        char *equals = strstr(line, " =");

                        cr_assert(line[0] == '#' && equals != NULL, "%s", line);
                        *equals = '\0';
                        snprintf(ret->name, sizeof(ret->name), "%s.%s", ret->section, line + 1);
                        equals += equals[2] != '\0' ? 3 : 2;
                        ret->value = strdup(equals);
                        return true;
                }
        }
        return false;
}

static void expect_comment(const struct sample *sample, const struct config_key *key) {
        char help[1024];

        snprintf(help, sizeof(help), "%s%s.", key->change == KEY_LIVE ? "Live: " : "", key->help);
        if (help[0] >= 'a' && help[0] <= 'z')
                help[0] = (char)(help[0] - 'a' + 'A');
        cr_expect_str_eq(sample->comment, help, "%s", sample->name);
}

Test(sample, has_every_key_with_its_default_and_loads) {
        unsigned seen[CONFIG_KEYS_MAX] = { 0 };
        char *sets[CONFIG_KEYS_MAX + 1] = { NULL };
        struct sample sample = { .section = "" };
        struct config *config = NULL;
        FILE *file = fopen(path_of_sample(), "re");
        size_t n = 0;

        cr_assert_not_null(file);
        capture_begin();
        while (sample_next(file, &sample)) {
                const struct config_key *key = config_key_find(sample.name);

                cr_assert_not_null(key, "%s", sample.name);
                seen[config_key_index(key)]++;
                expect_comment(&sample, key);
                if (!key->computed)
                        cr_expect_str_eq(sample.value, key->default_text, "%s", sample.name);
                /* those of a coordinator are errors without it */
                if (strcmp(sample.section, "etcd") != 0 && strcmp(sample.section, "zookeeper") != 0)
                        cr_assert(asprintf(&sets[n++], "%s=%s", sample.name, sample.value) > 0);
                free(sample.value);
        }
        for (size_t i = 0; i < config_n_keys; i++)
                cr_expect_eq(seen[i], 1, "%s stands there %u times", config_keys[i].name, seen[i]);
        cr_assert_eq(config_load(&config, path_of_sample(), sets), 0, "%s", capture_take());
        config_free(config);
        while (n > 0)
                free(sets[--n]);
        fclose(file);
}
