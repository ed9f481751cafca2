/* SPDX-License-Identifier: MIT */
#pragma once
/* A directory on a tmpfs and a POSIX name of this test's own, removed after it. */
#include <sys/types.h>

#include "daemon/segment/segment.h"

#define SEGMENT_SIZE 12288u
#define STRANGER 65534u /* nobody */

extern struct segment_fixture {
        char directory[64]; /* on a tmpfs, ours */
        char shm[64];       /* a POSIX name */
} segment_fixture;

void segment_fixture_begin(void);
void segment_fixture_remove_all(void);
/* Skips the test and removes everything: Criterion runs no .fini for a skipped test. */
void segment_fixture_skip(const char *why);
void segment_fixture_need_root(void);

struct segment segment_fixture_make(const char *where, const char *name, mode_t mode);
/* The text of the error: opening must fail with `error` and leave its result alone. */
const char *segment_fixture_refused(const char *where, const char *name, mode_t mode, int error);

/* directory/name, valid until the next call. */
const char *segment_fixture_in(const char *name);
void segment_fixture_check_file(const char *path, mode_t mode);
void segment_fixture_touch(const char *path, mode_t mode, off_t size);
