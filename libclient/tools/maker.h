/* SPDX-License-Identifier: MIT */
#pragma once
/* Who made an ID: looks it up in the record, and in the ring of the daemon for what is not
 * recorded yet. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/history/archive.h"
#include "libclient/history/ring.h"

struct maker_file {
        uint64_t number;
        struct block_header first;
};

struct maker {
        int directory; /* -1: there is no record */
        struct maker_file *files;
        size_t n_files;
        struct id_layout layout;
        struct picture picture; /* of file `loaded` */
        size_t loaded;          /* n_files: the ring alone; SIZE_MAX: none */
        struct archive_file file;
        struct ring ring;
        bool ring_read; /* the picture has all events of the ring */
};

/* With the record in `path`, and the ring of `shm`, as far as they can be read. 0; -ENODATA:
 * there is neither; *ret_error says then why `path` cannot be read, as -errno. */
int maker_open(struct maker *ret, const char *path, const char *shm, int *ret_error);
void maker_close(struct maker *maker);

enum maker_answer {
        MAKER_PROCESS,
        MAKER_NOBODY,  /* of this host */
        MAKER_UNKNOWN, /* cannot say */
};
struct maker_found {
        enum maker_answer answer;
        const char *reason; /* unless a process is found: a clause */
        const char *host;   /* "" where the record does not say */
        struct picture_client client;
        unsigned lane;
};
/* The strings live until the next call. 0 or -ENOMEM. */
int maker_find(struct maker *maker, uint64_t tick, uint32_t position, struct maker_found *ret);
