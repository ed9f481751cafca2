/* SPDX-License-Identifier: MIT */
#include "tests/support/scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static const char *place(void) {
        const char *given = getenv("TMPDIR");
        struct stat st;

        if (given != NULL && given[0] == '/' && strlen(given) <= SCRATCH_PLACE_MAX &&
            stat(given, &st) == 0 && (st.st_mode & S_IXOTH) != 0)
                return given;
        return "/tmp";
}

static void make_path(char path[SCRATCH_MAX], const char *where, const char *subject) {
        int n = snprintf(path, SCRATCH_MAX, "%s/sfshm-%s-XXXXXX", where, subject);

        cr_assert_lt(n, SCRATCH_MAX, "the subject %s is too long", subject);
}

static void make_directory(char path[SCRATCH_MAX], const char *where, const char *subject) {
        make_path(path, where, subject);
        cr_assert_not_null(mkdtemp(path), "%s: %s", path, strerror(errno));
}

void scratch_directory(char ret_path[SCRATCH_MAX], const char *subject) {
        make_directory(ret_path, place(), subject);
}

void scratch_fast_directory(char ret_path[SCRATCH_MAX], const char *subject, uint64_t room) {
        struct statvfs shm;
        bool has_room = statvfs("/dev/shm", &shm) == 0 && shm.f_bavail * shm.f_frsize >= room;

        make_directory(ret_path, has_room ? "/dev/shm" : place(), subject);
}

int scratch_file(char ret_path[SCRATCH_MAX], const char *subject) {
        int fd;

        make_path(ret_path, place(), subject);
        fd = mkstemp(ret_path);
        cr_assert_geq(fd, 0, "%s: %s", ret_path, strerror(errno));
        return fd;
}
