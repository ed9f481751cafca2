/* SPDX-License-Identifier: MIT */
#pragma once
/* A configuration file of this test's own, with its .conf.d directory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "daemon/config/load.h"
#include "tests/support/scratch.h"
#include "tests/unit/capture.h"

#define FIRST "[workers]\nfirst = 0\n"
#define ETCD "[workers]\nbackend = etcd\n[etcd]\n"
#define ZOOKEEPER "[workers]\nbackend = zookeeper\n[zookeeper]\n"

static char directory[SCRATCH_MAX];
static char path[256];

static inline void write_bytes(const char *where, const char *bytes, size_t n) {
        FILE *file = fopen(where, "w");

        cr_assert_not_null(file);
        cr_assert_eq(fwrite(bytes, 1, n, file), n);
        cr_assert_eq(fclose(file), 0);
}

static inline void write_file(const char *name, const char *text) {
        char where[512];

        snprintf(where, sizeof(where), "%s/%s", directory, name);
        write_bytes(where, text, strlen(text));
}

static inline void set_up(void) {
        char below[512];

        scratch_directory(directory, "config");
        snprintf(path, sizeof(path), "%s/sfshmd.conf", directory);
        snprintf(below, sizeof(below), "%s.d", path);
        cr_assert_eq(mkdir(below, 0700), 0);
        capture_begin();
}

static inline void tear_down(void) {
        char command[300];

        snprintf(command, sizeof(command), "rm -r %s", directory);
        cr_assert_eq(system(command), 0);
}

static inline struct config *load(const char *text, char *const sets[]) {
        struct config *config = NULL;

        write_file("sfshmd.conf", text);
        cr_assert_eq(config_load(&config, path, sets), 0, "%s", capture_take());
        cr_assert_not_null(config);
        return config;
}

/* The error's text; the call must fail and leave `ret` alone. */
static inline const char *refused(const char *text, char *const sets[]) {
        struct config untouched, *config = &untouched;

        write_file("sfshmd.conf", text);
        cr_assert_eq(config_load(&config, path, sets), -EINVAL, "accepted: %s", text);
        cr_assert_eq(config, &untouched);
        return capture_take();
}
