/* SPDX-License-Identifier: MIT */
#pragma once
/* The one way in which a small file of the state directory is read and replaced. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The system calls, for tests which make them fail. */
struct small_file_calls {
        ssize_t (*write)(int fd, const void *bytes, size_t size);
        int (*fsync)(int fd);
        int (*renameat)(int from_dir, const char *from, int to_dir, const char *to);
};
extern const struct small_file_calls small_file_kernel;

/* The file, or as much of it as `capacity` holds; its size, or -errno. */
ssize_t small_file_read(int dir_fd, const char *name, char *buffer, size_t capacity);

/* Replaces it by a rename, from the file `new_name`. Returns 0 only when the text survives a
 * loss of power. After an error either the old text or the new one is in place. */
int small_file_write(int dir_fd, const char *name, const char *new_name, const char *text,
                     size_t size, const struct small_file_calls *calls);

/* FNV-1a, for the line `checksum` at the end of such a text: every step is a bijection, so
 * any single changed byte changes it. */
uint64_t small_file_sum(const char *bytes, size_t size);
