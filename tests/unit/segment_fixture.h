/* SPDX-License-Identifier: MIT */
#pragma once
/* A directory on a tmpfs and a POSIX name of this test's own, removed after it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "daemon/segment/segment.h"
#include "tests/unit/capture.h"

#define SIZE 12288u
#define STRANGER 65534u /* nobody */

static char directory[64]; /* on a tmpfs, ours */
static char shm[64];       /* a POSIX name */

static inline void remove_all(void) {
        char command[300];

        snprintf(command, sizeof(command), "rm -rf %s /dev/shm%s.* /dev/shm/.%s.*", directory, shm,
                 shm + 1);
        cr_assert_eq(system(command), 0);
}

static inline void set_up(void) {
        snprintf(directory, sizeof(directory), "/dev/shm/sfshm-test-%d.d", (int)getpid());
        snprintf(shm, sizeof(shm), "/sfshm-test-%d", (int)getpid());
        remove_all();
        cr_assert_eq(mkdir(directory, 0755), 0);
        capture_begin();
}

/* Criterion runs no .fini for a skipped test. */
static inline void skip(const char *why) {
        remove_all();
        cr_skip_test("%s", why);
}

static inline void need_root(void) {
        if (geteuid() != 0)
                skip("only root can act as another uid");
}

static inline struct segment make(const char *where, const char *name, mode_t mode) {
        struct segment segment = SEGMENT_NONE;

        cr_assert_eq(segment_open(&segment, where, name, SIZE, mode, (gid_t)-1, NULL, NULL), 0,
                     "%s", capture_take());
        return segment;
}

/* Opening must fail with `error`, leave the result alone and say `says`. */
static inline const char *refused(const char *where, const char *name, mode_t mode, int error) {
        struct segment segment = { .fd = 4711, .size = 1 };

        cr_assert_eq(segment_open(&segment, where, name, SIZE, mode, (gid_t)-1, NULL, NULL), error);
        cr_assert(segment.fd == 4711 && segment.size == 1);
        return capture_take();
}

static inline const char *in_directory(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        return path;
}

static inline void check_file(const char *path, mode_t mode) {
        struct stat st;

        cr_assert_eq(lstat(path, &st), 0);
        cr_assert(S_ISREG(st.st_mode));
        cr_assert_eq(st.st_mode & 07777, mode, "mode %o", st.st_mode);
        cr_assert(st.st_uid == geteuid() && st.st_nlink == 1);
        cr_assert_eq(st.st_size, SIZE);
        cr_assert_eq(st.st_blocks * 512, SIZE, "not prefaulted");
}

static inline void touch(const char *path, mode_t mode, off_t size) {
        int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

        cr_assert(fd >= 0);
        cr_assert(ftruncate(fd, size) == 0 && fchmod(fd, mode) == 0);
        close(fd);
}
