/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A private sfshmd for a test: its own directory, socket, state and segments,
 * started and stopped by the test. Every function fails the test (Criterion
 * assertion) when it cannot do what it says. $SFSHMD names the binary.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "libclient/sfshm.h"
#include "tests/support/scratch.h"
#include "tests/support/until.h"

#define PRIVATE_DAEMON_SETS 24

struct private_daemon {
        pid_t pid; /* 0: not running */
        uid_t uid; /* runs as that user when the test is root */
        const char *binary; /* NULL: $SFSHMD */
        const char *config; /* NULL: no --config */
        char directory[SCRATCH_MAX];
        char socket[96];
        char state[96];
        char shm[96];
        char log[96];
        char sets[PRIVATE_DAEMON_SETS][192]; /* "section.key=value" */
        unsigned n_sets;
        bool begun; /* the space of its coordinator */
        void (*before_exec)(void *context); /* in the daemon's process; NULL: nothing */
        void *before_exec_context;
};

/* Makes the directory and the settings (workers.first=0, the paths, and a space of its
 * own). */
void private_daemon_prepare(struct private_daemon *d);
/* One more setting, before start; a later one wins. */
void private_daemon_set(struct private_daemon *d, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* Not that one: its worker IDs come from a coordinator. */
void private_daemon_unset_first(struct private_daemon *d);
/* As the operator does before the first host starts; its first start does it otherwise. */
void private_daemon_begin_space(struct private_daemon *d);
/* Starts it and waits until it serves. */
void private_daemon_start(struct private_daemon *d);
/* Starts it and does not wait. */
void private_daemon_spawn(struct private_daemon *d);
/* Starts it, expecting that it exits by itself; returns its exit status. */
int private_daemon_start_fails(struct private_daemon *d);
/* Starts it, expecting that it waits for its worker IDs and its log says `part`; stops it. */
void private_daemon_waits(struct private_daemon *d, const char *part);
/* Sends the signal; SIGSTOP: until it has stopped. With `wait` reaps it. Returns the wait
 * status (0 without). */
int private_daemon_signal(struct private_daemon *d, int signal, bool wait);
/* SIGTERM, reaps, expects status 0. */
void private_daemon_stop(struct private_daemon *d);
/* Stops it if it runs, removes directory and segments. */
void private_daemon_remove(struct private_daemon *d);
/* Removes the segments, as a reboot does. */
void private_daemon_lose_segments(const struct private_daemon *d);
/* The log so far, malloc'ed. */
char *private_daemon_log(const struct private_daemon *d);

/* A handle on it, or the test fails; -ETIME only fails it where no coordinator has to
 * answer before there is a first fence. */
sfshm *private_daemon_open(const struct private_daemon *d, unsigned flags);
/* One ID of it, waited for up to a minute, or the error; -ETIME as above. */
int private_daemon_next(const struct private_daemon *d, uint64_t *ret_id);

/* fork(2); the child is killed when the test ends, however it ends. */
pid_t fork_bound(void);
/* Reaps that many children; each must have ended with exit status 0. */
void expect_children(size_t n);
