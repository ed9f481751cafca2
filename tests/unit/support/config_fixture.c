/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/config_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/capture.h"
#include "tests/support/remove_tree.h"

struct config_fixture config_fixture;

void config_fixture_write_bytes(const char *where, const char *bytes, size_t n) {
        FILE *file = fopen(where, "w");

        cr_assert_not_null(file);
        cr_assert_eq(fwrite(bytes, 1, n, file), n);
        cr_assert_eq(fclose(file), 0);
}

void config_fixture_write(const char *name, const char *text) {
        char where[512];

        snprintf(where, sizeof(where), "%s/%s", config_fixture.directory, name);
        config_fixture_write_bytes(where, text, strlen(text));
}

void config_fixture_begin(void) {
        char below[512];

        scratch_directory(config_fixture.directory, "config");
        snprintf(config_fixture.path, sizeof(config_fixture.path), "%s/sfshmd.conf",
                 config_fixture.directory);
        snprintf(below, sizeof(below), "%s.d", config_fixture.path);
        cr_assert_eq(mkdir(below, 0700), 0);
        capture_begin();
}

void config_fixture_end(void) {
        remove_tree(config_fixture.directory);
}

struct config *config_fixture_load(const char *text, char *const sets[]) {
        struct config *config = NULL;

        config_fixture_write("sfshmd.conf", text);
        cr_assert_eq(config_load(&config, config_fixture.path, sets), 0, "%s", capture_take());
        cr_assert_not_null(config);
        return config;
}

const char *config_fixture_refused(const char *text, char *const sets[]) {
        struct config untouched, *config = &untouched;

        config_fixture_write("sfshmd.conf", text);
        cr_assert_eq(config_load(&config, config_fixture.path, sets), -EINVAL, "accepted: %s",
                     text);
        cr_assert_eq(config, &untouched);
        return capture_take();
}
