/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The daemon's named segments. They are read and not mapped: a file in a directory of
 * another user could shrink under a mapping. Everything is checked before it is used.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/clock.h"
#include "shm/statistics.h"

#define SEGMENTS_DEFAULT_SHM "/sfshm"
#define SEGMENTS_PATH_SIZE 4096

/* Every segment and page begins like this. */
struct segments_start {
        char magic[8];
        uint32_t version;
};

/* The path of segment `name` of `shm` ("/sfshm" or a directory), for messages:
 * "/dev/shm/sfshm.clock" or "DIR/clock". */
void segments_path(const char *shm, const char *name, char ret[SEGMENTS_PATH_SIZE]);

/* May this be a daemon.shm? It is safe to print then. */
bool segments_name_valid(const char *shm);

#define SEGMENTS_TEXT 512
/* Why segment `name` of `shm` cannot be read, as a sentence: `error` is of one of the functions
 * below, and `version` was found where `understood` is meant to be. */
void segments_explain(const char *shm, const char *name, int error, uint32_t version,
                      uint32_t understood, char ret[SEGMENTS_TEXT]);

/* A descriptor, or -errno. */
int segments_open(const char *shm, const char *name);

/* 0; -ENODATA: not such a segment (magic, size, writable by others); -EPROTO: it has another
 * version, *ret_version; -errno of reading. */
int segments_read_clock(int fd, struct clock_segment *ret, uint32_t *ret_version);

struct statistics_copy {
        struct statistics_segment header;
        struct statistics_client *clients; /* header.client_count of them */
        bool torn; /* the writer stopped half-way: the numbers are inconsistent */
};
/* As above, and -EBADMSG: offsets or counts exceed its size; -ENOMEM. The caller frees
 * ret->clients. */
int segments_read_statistics(int fd, struct statistics_copy *ret, uint32_t *ret_version);

#define SEGMENTS_BOOT_ID_SIZE 16
/* The ID of this boot, as it is in the segments; zeros if it is unknown. */
void segments_boot_id(uint8_t ret[SEGMENTS_BOOT_ID_SIZE]);

/* CLOCK_BOOTTIME of the newest snapshot; INT64_MIN while one is being written. */
int64_t segments_updated_boot_ns(int fd);
