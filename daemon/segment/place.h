/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where named segments are: a directory that can be trusted, and the file under a name in
 * it. Logs its errors.
 */
#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#define PLACE_FILE_MAX 256

struct place {
        int fd;
        char directory[PATH_MAX];
        char file[PLACE_FILE_MAX];
};

/* `shm` is daemon.shm. The directory must be on a tmpfs, belong to our uid or root, and be
 * sticky if others may write to it. */
int place_open(struct place *ret, const char *shm, const char *name);
void place_close(struct place *place);
uintmax_t place_free_bytes(const struct place *place);

/* 1: *ret_fd is open for reading and writing, and *ret_size is the size of the file; 0: the
 * name is free; -EEXIST: it is no regular file of ours with that mode and one link. The
 * file is checked before it is opened. */
int place_open_file(const struct place *place, mode_t mode, int *ret_fd, off_t *ret_size);
