/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/segment_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/capture.h"

struct segment_fixture segment_fixture;

void segment_fixture_remove_all(void) {
        char command[300];

        snprintf(command, sizeof(command), "rm -rf %s /dev/shm%s.* /dev/shm/.%s.*",
                 segment_fixture.directory, segment_fixture.shm, segment_fixture.shm + 1);
        cr_assert_eq(system(command), 0);
}

void segment_fixture_begin(void) {
        snprintf(segment_fixture.directory, sizeof(segment_fixture.directory),
                 "/dev/shm/sfshm-test-%d.d", (int)getpid());
        snprintf(segment_fixture.shm, sizeof(segment_fixture.shm), "/sfshm-test-%d", (int)getpid());
        segment_fixture_remove_all();
        cr_assert_eq(mkdir(segment_fixture.directory, 0755), 0);
        capture_begin();
}

void segment_fixture_skip(const char *why) {
        segment_fixture_remove_all();
        cr_skip_test("%s", why);
}

void segment_fixture_need_root(void) {
        if (geteuid() != 0)
                segment_fixture_skip("only root can act as another uid");
}

struct segment segment_fixture_make(const char *where, const char *name, mode_t mode) {
        struct segment segment = SEGMENT_NONE;

        cr_assert_eq(segment_open(&segment, where, name, SEGMENT_SIZE, mode, (gid_t)-1, NULL, NULL),
                     0, "%s", capture_take());
        return segment;
}

const char *segment_fixture_refused(const char *where, const char *name, mode_t mode, int error) {
        struct segment segment = { .fd = 4711, .size = 1 };

        cr_assert_eq(segment_open(&segment, where, name, SEGMENT_SIZE, mode, (gid_t)-1, NULL, NULL),
                     error);
        cr_assert(segment.fd == 4711 && segment.size == 1);
        return capture_take();
}

const char *segment_fixture_in(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", segment_fixture.directory, name);
        return path;
}

void segment_fixture_check_file(const char *path, mode_t mode) {
        struct stat st;

        cr_assert_eq(lstat(path, &st), 0);
        cr_assert(S_ISREG(st.st_mode));
        cr_assert_eq(st.st_mode & 07777, mode, "mode %o", st.st_mode);
        cr_assert(st.st_uid == geteuid() && st.st_nlink == 1);
        cr_assert_eq(st.st_size, SEGMENT_SIZE);
        cr_assert_eq(st.st_blocks * 512, SEGMENT_SIZE, "not prefaulted");
}

void segment_fixture_touch(const char *path, mode_t mode, off_t size) {
        int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

        cr_assert(fd >= 0);
        cr_assert(ftruncate(fd, size) == 0 && fchmod(fd, mode) == 0);
        close(fd);
}
