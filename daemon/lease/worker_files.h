/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The files in /dev/shm by which daemons tell each other which worker IDs they hold (see
 * worker_lock.h): how the locks in one stand, and whose file holds given worker IDs.
 * Silent, but for the errors of the directory.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/config/config.h"

#define WORKER_FILES "/dev/shm"
#define WORKER_FILE_PREFIX "sfshm-workers."
#define WORKER_FILE_MODE 0644
#define WORKER_FILE_SIZE 256 /* any file name */
/* The byte after those of all worker IDs: locked while its owner still looks for others. */
#define WORKER_FILE_CLAIMING (INT64_C(1) << 32)

/* A file of one's own: its name is "" until it has one. */
struct worker_file {
        int directory, fd;
        uint64_t space;
        char name[WORKER_FILE_SIZE];
};
#define WORKER_FILE_NONE ((struct worker_file){ .directory = -1, .fd = -1 })

struct worker_holder {
        uint32_t worker; /* the first of the worker IDs in question that it holds */
        uid_t uid;
        pid_t pid;     /* in the holder's PID namespace; 0: unknown */
        bool claiming; /* the holder still looks for others itself */
        char name[WORKER_FILE_SIZE];
};

/* The space and the directory. 1; 0: there is no /dev/shm; or -errno. Logs its errors. */
int worker_file_open(struct worker_file *ret, const struct config *config);
/* F_WRLCK or F_UNLCK for the bytes of `count` worker IDs, or for WORKER_FILE_CLAIMING. */
int worker_file_lock(const struct worker_file *file, short type, int64_t byte, int64_t count);
/* 1 and *ret: a file other than this one holds one of the worker IDs; 0; or -errno. */
int worker_files_find(struct worker_holder *ret, const struct worker_file *file, uint32_t first,
                      uint32_t count);
/* Removes what daemons of our user left, of whatever space, when they were killed. */
void worker_files_tidy(const struct worker_file *file);
/* Logs that, and returns -error. */
int worker_files_failed(int error, const char *what);
