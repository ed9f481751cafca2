/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The blocks of a record. A file is a row of blocks, each with a checksum; together they say
 * what struct picture knows. A file begins with all that was live then, so that each can be
 * read alone.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/history/picture.h"
#include "shm/id.h"

#define BLOCK_MAGIC "sfshmwho"
#define BLOCK_VERSION 1u
#define BLOCK_MAX 65536u /* bytes, the header included */
#define BLOCK_HOST 64u

struct block_header {
        char magic[8];
        uint32_t version;
        uint32_t length;   /* of the payload, in bytes */
        uint64_t checksum; /* FNV-1a of header and payload, taken with 0 here */
        uint64_t from;     /* the file tells of the ticks from there on */
        uint64_t tick;     /* of the picture, once the block is applied */
        uint64_t ring, position; /* the events up to there are in it */
        uint64_t ledger;
        uint32_t run_start, run_width;
        uint8_t boot_id[16];
        struct id_layout layout;
        char host[BLOCK_HOST]; /* filled with NULs */
        uint8_t whole; /* 0: more blocks belong to it; tick, ring and position count with the last */
        uint8_t reserved[3];
        uint32_t generation;
};
_Static_assert(sizeof(struct block_header) == 176, "block header");

/* Writes what of the picture is dirty into `ret`, and marks it clean: all of it, or as much as
 * fits; then `whole` is 0, and another one must follow. The caller has filled in from, ring,
 * position, boot ID, layout and host. Returns the bytes, header included. */
size_t block_write(struct picture *picture, struct block_header *header, uint8_t ret[BLOCK_MAX]);
/* All of it becomes dirty: a file begins. */
void block_begin_file(struct picture *picture);

/* The block at the beginning of `size` bytes, applied to the picture (NULL: only checked).
 * Returns its bytes; -EBADMSG: there is no whole block, and the picture is as before; -EPROTO:
 * of another version. */
int block_read(struct picture *picture, struct block_header *ret, const uint8_t *bytes,
               size_t size);
