/* SPDX-License-Identifier: MIT */
/* The files of a record: limits, what a crash leaves, and a disk that is full. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libclient/history/archive.h"
#include "libclient/recorder/store.h"
#include "tests/support/remove_tree.h"
#include "tests/support/scratch.h"

#define DAY_NS (INT64_C(86400) * 1000000000)

static char directory[SCRATCH_MAX];
static struct picture picture;
static struct store store;
static uint64_t tick = 1000;

static void begin(void) {
        scratch_directory(directory, "store");
        cr_assert_eq(picture_init(&picture), 0);
        picture.in_gap = false;
        cr_assert_eq(store_open(&store, directory, UINT64_C(1) << 20, DAY_NS), 0);
}

static void end(void) {
        store_close(&store);
        picture_fini(&picture);
        remove_tree(directory);
}

TestSuite(store, .init = begin, .fini = end);

/* `n` reservations that end at once, and one block of them. */
static void write_some(uint32_t n) {
        struct block_header header = { .ring = 1, .position = tick, .layout = id_layout_default };

        for (uint32_t i = 0; i < n; i++)
                picture_put_held(&picture, &(struct picture_held){
                        .client = tick, .record = i, .start = i, .width = 1, .t0 = tick,
                        .t1 = tick + 1 });
        picture.tick = ++tick;
        store_write(&store, &picture, &header);
}

static size_t files(uint64_t *ret_bytes) {
        uint64_t *numbers;
        size_t n;

        *ret_bytes = 0;
        cr_assert_eq(archive_list(store.directory, &numbers, &n), 0);
        for (size_t i = 0; i < n; i++) {
                char name[ARCHIVE_NAME];
                struct stat st;

                archive_name(numbers[i], name);
                cr_assert_eq(fstatat(store.directory, name, &st, 0), 0);
                *ret_bytes += (uint64_t)st.st_size;
        }
        free(numbers);
        return n;
}

Test(store, keeps_to_its_size) {
        uint64_t bytes;

        for (unsigned i = 0; i < 2000; i++)
                write_some(100);
        cr_expect_gt(files(&bytes), 4);
        cr_expect_leq(bytes, store.max_bytes + BLOCK_MAX);
        cr_expect_geq(bytes, store.max_bytes / 2);
        cr_expect_eq(bytes, store.bytes);
        cr_expect_eq(picture.n_held, 0, "what is written and has run out is forgotten");
}

Test(store, deletes_what_is_old) {
        const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
        uint64_t *numbers, bytes;
        char name[ARCHIVE_NAME];
        size_t n;

        while (files(&bytes) < 3)
                write_some(1000);
        cr_assert_eq(archive_list(store.directory, &numbers, &n), 0);
        archive_name(numbers[0], name);
        cr_assert_eq(utimensat(store.directory, name, times, 0), 0);
        write_some(1);
        cr_expect_neq(faccessat(store.directory, name, F_OK, 0), 0);
        cr_expect_eq(files(&bytes), n - 1);
        free(numbers);
}

/* Red when a file does not go on where the one before ended. */
Test(store, files_leave_no_tick_out) {
        uint64_t *numbers, last = 0;
        size_t n;

        for (unsigned i = 0; i < 300; i++)
                write_some(200);
        cr_assert_eq(archive_list(store.directory, &numbers, &n), 0);
        cr_assert_gt(n, 2);
        for (size_t i = 0; i < n; i++) {
                struct archive_file file;
                struct picture read;

                cr_assert_eq(picture_init(&read), 0);
                cr_assert_eq(archive_load(store.directory, numbers[i], &read, &file), 0);
                cr_expect(file.usable && file.damaged == 0);
                cr_expect(i == 0 || file.first.from == last);
                last = file.last.tick;
                for (uint64_t t = file.first.from > 1000 ? file.first.from : 1000; t < last; t++)
                        cr_assert(picture_find(&read, t, 7) != NULL &&
                                  picture_find(&read, t, 7)->client == t);
                picture_fini(&read);
        }
        free(numbers);
}

Test(store, goes_on_after_a_crash_in_a_block) {
        struct block_header last;
        char name[ARCHIVE_NAME];
        uint64_t damaged;
        int fd;

        for (unsigned i = 0; i < 3; i++)
                write_some(10);
        archive_name(store.number, name);
        fd = openat(store.directory, name, O_WRONLY);
        cr_assert_eq(ftruncate(fd, (off_t)store.size - 5), 0);
        close(fd);
        cr_expect_eq(store_open(&(struct store){ .fd = -1 }, directory, 1, 1), -EBUSY);
        store_close(&store);
        picture_fini(&picture);
        cr_assert_eq(picture_init(&picture), 0);
        cr_assert_eq(store_open(&store, directory, UINT64_C(1) << 20, DAY_NS), 0);
        cr_assert(store_resume(&store, &picture, &last, &damaged));
        cr_expect_gt(damaged, 0);
        cr_expect_eq(picture.tick, 1002);
        cr_expect_eq(last.position, 1001);
}

/* A file that may not grow is a disk that is full. */
Test(store, a_full_disk_is_counted_and_survived) {
        struct rlimit limit = { 4096, RLIM_INFINITY };
        struct archive_file file;
        struct picture read;

        signal(SIGXFSZ, SIG_IGN);
        write_some(10);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        for (unsigned i = 0; i < 5; i++)
                write_some(3000);
        cr_expect_eq(store.failures, 5);
        cr_expect_lt(store.error, 0);
        cr_expect_eq(picture.n_held, 0, "memory does not grow");
        limit.rlim_cur = RLIM_INFINITY;
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        write_some(10);
        cr_expect_eq(store.error, 0);
        cr_assert_eq(picture_init(&read), 0);
        cr_assert_eq(archive_load(store.directory, store.number, &read, &file), 0);
        cr_expect(file.usable);
        cr_expect_eq(file.first.from, 1006, "nothing is said of the ticks in between");
        picture_fini(&read);
}
