/* SPDX-License-Identifier: MIT */
#pragma once
/* The files of a record: NUMBER.sfshm in a directory, counted up. */
#include <stddef.h>
#include <stdint.h>

#include "libclient/history/block.h"
#include "libclient/history/picture.h"

#define ARCHIVE_DEFAULT "/var/lib/sfshm-recorder"
#define ARCHIVE_NAME 32
#define ARCHIVE_FILE_MAX (UINT64_C(8) << 20) /* bytes; recorders begin a new file before */

/* The numbers of the files, rising; the caller frees them. 0 or -errno. */
int archive_list(int directory, uint64_t **ret, size_t *ret_n);
void archive_name(uint64_t number, char ret[ARCHIVE_NAME]);

struct archive_file {
        struct block_header first, last; /* of the last whole block */
        uint64_t good, damaged;          /* bytes in whole blocks, and behind them */
        bool usable; /* it tells of the ticks [first.from, last.tick) */
};
/* Adds what a file says to the picture, which picture_init() made. -errno of reading. */
int archive_load(int directory, uint64_t number, struct picture *picture,
                 struct archive_file *ret);
/* Only its first block. -ENODATA: it has none. */
int archive_look(int directory, uint64_t number, struct block_header *ret);
