/* SPDX-License-Identifier: MIT */
#include "daemon/lease/state/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/util/kill_point.h"

const struct small_file_calls small_file_kernel = {
        .write = write,
        .fsync = fsync,
        .renameat = renameat,
};

uint64_t small_file_sum(const char *bytes, size_t size) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
        return hash;
}

static ssize_t read_all(int fd, char *buffer, size_t capacity) {
        size_t size = 0;

        while (size < capacity) {
                ssize_t n = read(fd, buffer + size, capacity - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
        }
        return (ssize_t)size;
}

ssize_t small_file_read(int dir_fd, const char *name, char *buffer, size_t capacity) {
        int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        ssize_t size;

        if (fd < 0)
                return -errno;
        size = read_all(fd, buffer, capacity);
        close(fd);
        return size;
}

static int write_all(int fd, const char *bytes, size_t size, const struct small_file_calls *calls) {
        while (size > 0) {
                ssize_t n = calls->write(fd, bytes, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EIO;
                bytes += n;
                size -= (size_t)n;
                kill_point();
        }
        return 0;
}

/* The new text, on disk under the other name. After a failure the next attempt
 * begins with a new file: a page that once failed to reach the disk is not
 * written by a second fsync(). */
static int write_new(int dir_fd, const char *new_name, const char *text, size_t size,
                     const struct small_file_calls *calls) {
        int fd, r;

        if (unlinkat(dir_fd, new_name, 0) < 0 && errno != ENOENT)
                return -errno;
        kill_point();
        fd = openat(dir_fd, new_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        kill_point();
        r = write_all(fd, text, size, calls);
        if (r == 0 && calls->fsync(fd) < 0)
                r = -errno;
        close(fd);
        return r;
}

int small_file_write(int dir_fd, const char *name, const char *new_name, const char *text,
                     size_t size, const struct small_file_calls *calls) {
        int r = write_new(dir_fd, new_name, text, size, calls);

        kill_point();
        if (r < 0) {
                /* frees the space on a full disk; the first error is the one to return */
                unlinkat(dir_fd, new_name, 0);
                return r;
        }
        if (calls->renameat(dir_fd, new_name, dir_fd, name) < 0)
                return -errno;
        kill_point();
        if (calls->fsync(dir_fd) < 0)
                return -errno;
        kill_point();
        return 0;
}
