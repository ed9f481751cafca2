/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a lease needs of a coordinator (etcd, ZooKeeper, a simulation): a list, one
 * conditional commit, and a session. Uniqueness depends only on the conditions of the
 * commit: not on the session, on the coordinator's clocks or on its time-outs. Keys are
 * relative to the prefix of the coordinator, such as "region/0/used".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coordinator_item {
        char *key;
        char *value;      /* NUL-terminated; a value with a NUL within is cut there */
        int64_t modified; /* > 0; changes with each write, also after a deletion */
};

struct coordinator_list {
        struct coordinator_item *items; /* in the order of their keys */
        size_t n;
};
void coordinator_list_clear(struct coordinator_list *list);
/* The error of a call, for messages: strerror() would speak of disks. */
const char *coordinator_error_text(int error);
/* NULL: there is no such key. */
const struct coordinator_item *coordinator_find(const struct coordinator_list *list,
                                                const char *key);

struct coordinator_check {
        const char *key;
        int64_t modified; /* what it must be; 0: there must be no such key */
};

struct coordinator_write {
        const char *key;
        const char *value; /* NULL: delete */
        bool session;      /* the key is deleted when the session ends */
        int64_t modified;  /* out, after success */
};

/* etcd takes 128 of either at most (--max-txn-ops) */
#define COORDINATOR_COMMIT_MAX 120u

struct coordinator_commit {
        const struct coordinator_check *checks;
        size_t n_checks;
        struct coordinator_write *writes;
        size_t n_writes;
};

/*
 * Every call may block for the time-out of the coordinator. 0; -ETIMEDOUT or -EIO: the
 * outcome is unknown; -EACCES: access is denied; other errors: refused, nothing was done.
 * The coordinator logs what goes wrong, once.
 */
struct coordinator_calls {
        /* All keys that begin with `prefix`, each as of a moment after the call began. The
         * list is not a snapshot. As of one moment are only: the keys directly in the
         * folder that is listed; which keys exist, except those that end with a session;
         * and whatever is written only together with these. In a region that is which
         * worker IDs each record has, because every commit that moves some writes `used`,
         * or creates or deletes a record. -EAGAIN: they kept changing. */
        int (*list)(void *coordinator, const char *prefix, struct coordinator_list *ret);
        /* Atomically: all checks hold and everything is written; or -EAGAIN, and nothing
         * is. After -ETIMEDOUT and -EIO either may be the case, or it may be done later. */
        int (*commit)(void *coordinator, const struct coordinator_commit *commit);
        /* Begins a new session; an earlier one is left to expire. */
        int (*session_begin)(void *coordinator, int64_t ttl_ns, int64_t *ret_ttl_ns);
        /* -ESTALE: the session has ended. */
        int (*session_keep)(void *coordinator, int64_t *ret_ttl_ns);
        int (*session_end)(void *coordinator);
};
