/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The state directory: private to the daemon's uid, and locked by the daemon that uses it.
 * Errors are logged.
 */
#include <stdbool.h>
#include <sys/types.h>

struct directory {
        const char *path; /* belongs to the caller and outlives this */
        char *place;      /* PATH/fence, for messages */
        int fd;
        int lock_fd;
        bool created; /* the directory, by this process */
};
#define DIRECTORY_NONE ((struct directory){ .fd = -1, .lock_fd = -1 })

/* Creates a missing directory, checks owner and mode, takes the lock. */
int directory_open(struct directory *ret, const char *path);

/* The same without a change: creates and locks nothing. 1; 0: there is none yet, and one
 * could be made; or -errno. */
int directory_look(struct directory *ret, const char *path);
/* Could directory_open() open or create the lock file? 0 or -errno, logged. Of a directory
 * that was looked at. */
int directory_check_lock(const struct directory *dir);

/* Who wrote its pid into the lock file last; 0: nobody. It may be dead. */
pid_t directory_signed_by(const struct directory *dir);

/* Writes our pid into the lock file, for a daemon that finds it locked. A lock file that
 * is not empty also shows that a state was made durable before. */
int directory_sign(const struct directory *dir);

/* Whether there is something that a first start does not find: a signed lock, or
 * anything that is not ours. 1, and the first such name by bytes; 0; or -errno,
 * silent. */
int directory_evidence(const struct directory *dir, char name[256]);

/* Unlocks. */
void directory_close(struct directory *dir);
