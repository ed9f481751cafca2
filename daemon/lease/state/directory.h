/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The state directory of the `local` backend: private to the daemon's uid, and
 * locked by whoever uses it. Errors are logged.
 */
#include <stdbool.h>

struct state_dir {
        const char *path; /* the caller's, which outlives it */
        char *place;      /* PATH/fence, for messages */
        int fd;
        int lock_fd;
        bool created; /* the directory, by this process */
};
#define STATE_DIR_NONE ((struct state_dir){ .fd = -1, .lock_fd = -1 })

/* Makes the directory where it is missing, checks owner and mode, takes the lock. */
int state_dir_open(struct state_dir *ret, const char *path);

/* Writes our pid into the lock, for who finds it locked. That it is there at all
 * is the mark that a state was made durable before. */
int state_dir_sign(const struct state_dir *dir);

/* Whether there is what a first start does not find: a lock which was signed, or
 * anything that is not ours. 1, and its name; 0; or -errno, silent. */
int state_dir_evidence(const struct state_dir *dir, char name[256]);

/* Unlocks. */
void state_dir_close(struct state_dir *dir);
