/* SPDX-License-Identifier: MIT */
#pragma once
/* Writes the files of a record, within a size and an age. */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/history/block.h"
#include "libclient/history/picture.h"

struct store {
        int directory;
        uint64_t max_bytes;
        int64_t max_age_ns;
        uint64_t number; /* of the file that is written; 0: none yet */
        int fd;          /* -1: none */
        uint64_t size;   /* of that file */
        uint64_t from;   /* its first tick */
        uint64_t tick;   /* what is written tells of the ticks before it */
        int64_t begun_ns; /* CLOCK_MONOTONIC */
        uint64_t bytes, written, failures; /* of all files; blocks; writes that failed */
        int error; /* of the last write, as -errno; 0: none */
};
#define STORE_NONE ((struct store){ .directory = -1, .fd = -1 })

/* Makes the directory if there is none, and locks it. -EBUSY: another recorder writes there. */
int store_open(struct store *ret, const char *path, uint64_t max_bytes, int64_t max_age_ns);
void store_close(struct store *store);

/* Continues from the newest file: what it says goes into the picture, and its last block into
 * *ret. False: there is none. *ret_damaged: bytes of it that are no whole block. */
bool store_resume(struct store *store, struct picture *picture, struct block_header *ret,
                  uint64_t *ret_damaged);
/* Writes what is dirty. `header` as for block_write(). After a failure, which is counted, it
 * stays dirty. */
void store_write(struct store *store, struct picture *picture, struct block_header *header);
