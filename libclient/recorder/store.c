/* SPDX-License-Identifier: MIT */
#include "libclient/recorder/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libclient/history/archive.h"
#include "libclient/observe/interval.h"

#define FILE_BYTES (UINT64_C(1) << 20)
#define FILE_NS (INT64_C(3600) * 1000000000)
#define FILES_LEAST 16u /* of max_bytes: so much is deleted at once */

int store_open(struct store *ret, const char *path, uint64_t max_bytes, int64_t max_age_ns) {
        struct store store = STORE_NONE;
        int r = 0;

        if (mkdir(path, 0750) < 0 && errno != EEXIST)
                return -errno;
        store.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (store.directory < 0)
                return -errno;
        if (flock(store.directory, LOCK_EX | LOCK_NB) < 0)
                r = errno == EWOULDBLOCK ? -EBUSY : -errno;
        store.max_bytes = max_bytes;
        store.max_age_ns = max_age_ns;
        if (r < 0)
                store_close(&store);
        else
                *ret = store;
        return r;
}

void store_close(struct store *store) {
        if (store->fd >= 0)
                close(store->fd);
        if (store->directory >= 0)
                close(store->directory);
        *store = STORE_NONE;
}

bool store_resume(struct store *store, struct picture *picture, struct block_header *ret,
                  uint64_t *ret_damaged) {
        struct archive_file file = { .usable = false };
        uint64_t *numbers = NULL;
        size_t n = 0;

        *ret_damaged = 0;
        if (archive_list(store->directory, &numbers, &n) < 0 || n == 0)
                return false;
        store->number = numbers[n - 1];
        free(numbers);
        if (archive_load(store->directory, store->number, picture, &file) < 0)
                return false;
        *ret_damaged = file.damaged;
        *ret = file.last;
        store->tick = picture->tick;
        picture_compact(picture, true);
        return file.usable;
}

/* ---- limits */

static bool is_old(const struct store *store, const struct stat *st) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return ((int64_t)now.tv_sec - (int64_t)st->st_mtim.tv_sec) > store->max_age_ns / 1000000000;
}

static uint64_t size_of(const struct store *store, uint64_t number, struct stat *ret) {
        char name[ARCHIVE_NAME];

        archive_name(number, name);
        if (fstatat(store->directory, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        return (uint64_t)ret->st_size;
}

/* The oldest go first, and never the one that is written. */
static void delete_old(struct store *store) {
        uint64_t *numbers = NULL, total = 0;
        char name[ARCHIVE_NAME];
        struct stat st;
        size_t n = 0;

        if (archive_list(store->directory, &numbers, &n) < 0)
                return;
        for (size_t i = 0; i < n; i++)
                total += size_of(store, numbers[i], &st);
        for (size_t i = 0; i < n && numbers[i] != store->number; i++) {
                uint64_t size = size_of(store, numbers[i], &st);

                if (total <= store->max_bytes && !is_old(store, &st))
                        break;
                archive_name(numbers[i], name);
                if (unlinkat(store->directory, name, 0) == 0)
                        total -= size;
        }
        store->bytes = total;
        free(numbers);
}

/* ---- writing */

static uint64_t file_bytes(const struct store *store) {
        uint64_t part = store->max_bytes / FILES_LEAST;

        return part < FILE_BYTES ? part : FILE_BYTES;
}

static int begin_file(struct store *store, struct picture *picture) {
        char name[ARCHIVE_NAME];
        int fd;

        archive_name(store->number + 1, name);
        fd = openat(store->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    0640);
        if (fd < 0)
                return -errno;
        if (store->fd >= 0)
                close(store->fd);
        store->fd = fd;
        store->number++;
        store->size = 0;
        store->from = store->tick;
        store->begun_ns = interval_now_ns();
        block_begin_file(picture);
        delete_old(store);
        return 0;
}

/* All of it or nothing. */
static int append(struct store *store, const uint8_t *bytes, size_t size) {
        ssize_t n = pwrite(store->fd, bytes, size, (off_t)store->size);
        int error = n < 0 ? errno : ENOSPC;

        if (n == (ssize_t)size) {
                store->size += size;
                store->bytes += size;
                store->written++;
                return 0;
        }
        (void)ftruncate(store->fd, (off_t)store->size);
        return -error;
}

static bool is_full(const struct store *store) {
        return store->fd < 0 || store->error < 0 || store->size >= file_bytes(store) ||
               interval_now_ns() - store->begun_ns > FILE_NS;
}

/* After a failure the file may lack something: the next write begins another one, with all
 * that is live then. In between no file tells anything. */
static void fail(struct store *store, struct picture *picture, int error) {
        store->failures++;
        store->error = error;
        store->tick = picture->tick;
        picture_drop(picture);
}

void store_write(struct store *store, struct picture *picture, struct block_header *header) {
        uint8_t block[BLOCK_MAX];
        int r = 0;

        if (is_full(store))
                r = begin_file(store, picture);
        while (r == 0) {
                size_t size;

                header->from = store->from;
                size = block_write(picture, header, block);
                r = append(store, block, size);
                if (header->whole)
                        break;
        }
        if (r < 0) {
                fail(store, picture, r);
                return;
        }
        store->error = 0;
        store->tick = picture->tick;
        picture_compact(picture, store->size < BLOCK_MAX);
        delete_old(store);
}
