/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where named segments lie: a directory that can be trusted, and what stands
 * under a name in it. Used by segment.c alone; logs its errors.
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

/* `shm` as in daemon.shm. The directory must be on a tmpfs, of our uid or
 * root's, and sticky if others may write to it. */
int place_open(struct place *ret, const char *shm, const char *name);
void place_close(struct place *place);
uintmax_t place_free_bytes(const struct place *place);

/* 1: *ret_fd is open for reading and writing, *ret_size is the file's size; 0:
 * the name is free; -EEXIST: what is there is not a regular file of ours with
 * that mode and one link. Nothing behind the name is opened before it is judged. */
int place_open_file(const struct place *place, mode_t mode, int *ret_fd, off_t *ret_size);
