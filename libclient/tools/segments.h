/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The daemon's named segments, read and not mapped: a file in a directory that
 * somebody else made could shrink under a mapping. What is read is checked
 * before it is used.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/clock.h"
#include "shm/statistics.h"

#define SEGMENTS_DEFAULT_SHM "/sfshm"
#define SEGMENTS_PATH_SIZE 4096

/* Where segment `name` of `shm` ("/sfshm", or a directory) is, for messages:
 * "/dev/shm/sfshm.clock" or "DIR/clock". */
void segments_path(const char *shm, const char *name, char ret[SEGMENTS_PATH_SIZE]);

/* A descriptor, or -errno. */
int segments_open(const char *shm, const char *name);

/* 0; -ENODATA: no such segment (magic, size, writable by others); -EPROTO: its
 * version is another (*ret_version); -errno of reading. */
int segments_read_clock(int fd, struct clock_segment *ret, uint32_t *ret_version);

struct statistics_copy {
        struct statistics_segment header;
        struct statistics_client *clients; /* header.client_count of them */
        bool torn; /* the writer stopped in the middle: numbers do not fit each other */
};
/* As above, also -EBADMSG: offsets or counts point out of it; -ENOMEM. Free
 * ret->clients. */
int segments_read_statistics(int fd, struct statistics_copy *ret, uint32_t *ret_version);

/* The CLOCK_BOOTTIME of the newest snapshot; INT64_MIN while one is written. */
int64_t segments_updated_boot_ns(int fd);
