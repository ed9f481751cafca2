/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a lease needs of a coordinator (etcd, ZooKeeper, a simulation): a list, one
 * conditional commit, and a session. Nothing of it is trusted for uniqueness but
 * the commit's conditions: not the session, not its clocks, not its time-outs.
 * Keys are relative to the coordinator's own prefix, as "region/0/used".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coordinator_item {
        char *key;
        char *value;      /* NUL-terminated; a value with a NUL within is cut there */
        int64_t modified; /* > 0; another after each write, deletion and creation anew */
};

struct coordinator_list {
        struct coordinator_item *items; /* in the order of their keys */
        size_t n;
};
void coordinator_list_clear(struct coordinator_list *list);
/* What such an error of a call is to a person: strerror() would speak of disks. */
const char *coordinator_error_text(int error);
/* NULL when there is no such key. */
const struct coordinator_item *coordinator_find(const struct coordinator_list *list,
                                                const char *key);

struct coordinator_check {
        const char *key;
        int64_t modified; /* what it must be; 0: there must be no such key */
};

struct coordinator_write {
        const char *key;
        const char *value; /* NULL: delete */
        bool session;      /* the key ends with the session */
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
 * Every call may block for the coordinator's own time-out. 0; -ETIMEDOUT or -EIO:
 * nothing is known; -EACCES: it lets us not in; other errors: refused, nothing
 * happened. What goes wrong is logged by the coordinator, once.
 */
struct coordinator_calls {
        /* All keys that begin with `prefix`: each as of a moment after the call began. Of
         * one moment are only the keys directly in the folder that is listed, and which keys
         * there are that do not end with a session, and what else is only written together
         * with these: in a region, which worker IDs a record has, as all that moves some
         * writes `used`, or creates or deletes a record. -EAGAIN: they changed all the time. */
        int (*list)(void *coordinator, const char *prefix, struct coordinator_list *ret);
        /* All checks hold and all is written, at once; or -EAGAIN and nothing is.
         * After -ETIMEDOUT and -EIO it may be either, or be done later still. */
        int (*commit)(void *coordinator, const struct coordinator_commit *commit);
        /* A new one; any before is left to run out. */
        int (*session_begin)(void *coordinator, int64_t ttl_ns, int64_t *ret_ttl_ns);
        /* -ESTALE: it has ended. */
        int (*session_keep)(void *coordinator, int64_t *ret_ttl_ns);
        int (*session_end)(void *coordinator);
};
