/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the attacks share: strangers (processes of another uid), connections
 * that speak the protocol by hand, and honest clients which must not notice.
 * Root only: nobody else can become somebody else.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/pages.h"
#include "shm/wire.h"
#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"

#define UID_STRANGER 65534u
#define UID_HONEST 65533u
#define UID_DAEMON 65532u
#define SHARED_WORDS 64u

/* Skips the test, and says why, for anybody but root. */
void need_root(void);
/* In a child: another user from here on, without any privilege. */
void become(uid_t uid);
/* Prepares a daemon which runs as that uid; its directory is already there. */
void prepare_daemon(struct private_daemon *d, uid_t uid);

/* Words seen by all processes forked later. */
_Atomic uint64_t *shared_new(void);
void shared_free(_Atomic uint64_t *shared);

/* A child which runs attack(context) as `uid`; its exit status is what that
 * returns. `uid` -1: who we are. */
pid_t attacker_start(uid_t uid, int (*attack)(void *context), void *context);
/* The exit status; fails the test if a signal ended it. */
int attacker_wait(pid_t pid);
void attacker_kill(pid_t pid);
int attacker_run(uid_t uid, int (*attack)(void *context), void *context);

/* A socket connected to the daemon; reads wait at most 10 s. Or -errno. */
int raw_connect(const struct private_daemon *d);
int raw_hello(int socket, uint32_t lanes);

struct raw_client {
        int socket;
        int clock, grants, cursors;
        struct wire_welcome welcome;
        struct grants_page *page; /* mapped read-only */
        void *words;              /* the cursors page, mapped */
};
/* HELLO and what follows: 0, -error of a REFUSED, -ECONNRESET. */
int raw_attach(const struct private_daemon *d, uint32_t lanes, struct raw_client *ret);
void raw_detach(struct raw_client *client);
/* Writes into its cursors that it is ahead of the clock by that much: what it holds is not
 * withdrawn then, but runs out. */
void raw_run_ahead(struct raw_client *client, uint64_t ticks);

/* An honest client of UID_HONEST: takes IDs at ease into a part of the arena. */
struct honest {
        pid_t pid;
        _Atomic uint64_t *shared;
        struct arena *arena;
        size_t part;
        const struct private_daemon *daemon;
};
void honest_start(struct honest *h, const struct private_daemon *d, struct arena *arena,
                  size_t part);
/* From now on as fast as it can. */
void honest_hurry(struct honest *h);
uint64_t honest_taken(const struct honest *h);
/* Waits until it took `n` more, or the test fails. */
void honest_goes_on(const struct honest *h, uint64_t n);
/* Waits until the daemon that runs has promised it so much time: it is out of its first
 * second, and outlives a restart that takes so long. */
void honest_holds(const struct honest *h, uint64_t left_ms);
/* Waits until what it holds is extended. */
void honest_is_extended(const struct honest *h);
/* Waits for so long; the test fails if it stops taking meanwhile. */
void honest_lasts(const struct honest *h, int64_t ms);
/* Ends it; fails the test unless no call of its failed and its IDs increase. */
void honest_stop(struct honest *h);

/* Of the running daemon. */
unsigned daemon_descriptors(const struct private_daemon *d);
/* Waits until it has no more than that: pages are freed after a grace period. */
void descriptors_fall_to(const struct private_daemon *d, unsigned n);
uint64_t daemon_memory_kib(const struct private_daemon *d);
bool daemon_lives(const struct private_daemon *d);
/* Fails unless the log holds all of the words (NULL at the end). */
void log_has(const struct private_daemon *d, const char *const *words);
#define LOG_HAS(d, ...) log_has(d, (const char *const[]){ __VA_ARGS__, NULL })
