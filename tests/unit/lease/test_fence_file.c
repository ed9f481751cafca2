/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lease/state/fence_file.h"
#include "tests/support/scratch.h"

Test(fence_file, a_state_survives_its_text) {
        struct fence_state state = { .worker_first = UINT32_MAX,
                                     .worker_count = UINT32_MAX,
                                     .fence_tick = UINT64_MAX },
                           read;
        char text[FENCE_FILE_TEXT_MAX];
        size_t size;

        memset(state.machine_id, 0xff, 16);
        state.layout = (struct id_layout){ .tick_bits = 255,
                                           .worker_bits = 255,
                                           .sequence_bits = 255,
                                           .region_bits = 255,
                                           .epoch_unix_ms = INT64_MIN };
        size = fence_file_encode(&state, text);
        cr_assert(size < FENCE_FILE_TEXT_MAX);
        cr_assert_eq(fence_file_decode(text, size, &read), 0);
        cr_assert_arr_eq(&read, &state, sizeof(state));
}

Test(fence_file, the_fence_is_told_as_a_time) {
        char text[FENCE_TIME_SIZE];

        cr_assert_str_eq(fence_time(&id_layout_default, 1234567, text), "2025-01-01T00:20:34.567Z");
        cr_assert_str_eq(fence_time(&id_layout_default, 0, text), "-");
        cr_assert_str_eq(fence_time(&id_layout_default, UINT64_MAX, text), "-");
        cr_assert_str_eq(fence_time(&id_layout_default, INT64_MAX, text), "-");
}

/* A file layer that fails at a chosen call. */
static int calls_left;
static int call_error;

static bool fails(void) {
        if (--calls_left != 0)
                return false;
        errno = call_error;
        return true;
}
static ssize_t failing_write(int fd, const void *bytes, size_t size) {
        if (fails())
                return -1;
        return write(fd, bytes, size > 50 ? 50 : size); /* always short */
}
static int failing_fsync(int fd) {
        return fails() ? -1 : fsync(fd);
}
static int failing_renameat(int from_dir, const char *from, int to_dir, const char *to) {
        return fails() ? -1 : renameat(from_dir, from, to_dir, to);
}
static const struct small_file_calls failing = { failing_write, failing_fsync, failing_renameat };

/* Whichever call fails, the error is returned and a whole state is there: the
 * old one, or the new one. Red when write_all() takes a short write for a whole
 * one, or when an fsync() is not looked at. */
Test(fence_file, a_failed_write_leaves_a_whole_state) {
        const int errors[] = { ENOSPC, EIO, EDQUOT };
        struct fence_state old = { .fence_tick = 1000 }, new, found;
        char dir[SCRATCH_MAX];
        int dir_fd, fails_at = 1, r;

        scratch_directory(dir, "state");
        dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert(dir_fd >= 0);

        old.layout = id_layout_default;
        new = old;
        new.fence_tick = 2000;
        do {
                cr_assert_eq(fence_file_write(dir_fd, &old, &small_file_kernel), 0);
                calls_left = fails_at;
                call_error = errors[fails_at % 3];
                r = fence_file_write(dir_fd, &new, &failing);
                cr_assert(r == 0 || r == -call_error, "call %d: %d", fails_at, r);
                cr_assert_eq(fence_file_read(dir_fd, &found), 0);
                cr_assert(found.fence_tick == 2000 || (r < 0 && found.fence_tick == 1000));
                fails_at++;
        } while (r < 0);
        /* 5 or more short writes, fsync, rename, fsync of the directory */
        cr_assert(fails_at - 2 >= 8, "only %d calls could fail", fails_at - 2);
        cr_assert_eq(unlinkat(dir_fd, FENCE_FILE_NAME, 0), 0);
        close(dir_fd);
        /* and nothing else is left in it */
        cr_assert_eq(rmdir(dir), 0);
}
