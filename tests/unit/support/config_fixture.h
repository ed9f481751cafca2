/* SPDX-License-Identifier: MIT */
#pragma once
/* A configuration file of this test's own, with its .conf.d directory. */
#include <stddef.h>

#include "daemon/config/load.h"
#include "tests/support/scratch.h"

#define FIRST "[workers]\nfirst = 0\n"
#define ETCD "[workers]\nbackend = etcd\n[etcd]\n"
#define ZOOKEEPER "[workers]\nbackend = zookeeper\n[zookeeper]\n"

extern struct config_fixture {
        char directory[SCRATCH_MAX];
        char path[256]; /* directory/sfshmd.conf */
} config_fixture;

void config_fixture_begin(void);
void config_fixture_end(void);
void config_fixture_write_bytes(const char *where, const char *bytes, size_t n);
/* Writes directory/name. */
void config_fixture_write(const char *name, const char *text);
/* The configuration of that text and those settings, or the test fails. */
struct config *config_fixture_load(const char *text, char *const sets[]);
/* The text of the error: the call must fail and leave its result alone. */
const char *config_fixture_refused(const char *text, char *const sets[]);
