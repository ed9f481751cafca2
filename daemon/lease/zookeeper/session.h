/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A session with ZooKeeper and requests in it, with time-outs of our own around the
 * asynchronous calls of libzookeeper. One thread at a time. Requests of one session
 * are carried out in the order in which they were sent.
 */
#include <stdbool.h>
#include <stdint.h>
#include <zookeeper/zookeeper.h>

struct zookeeper_session;

struct zookeeper_options {
        const char *hosts;  /* "10.0.0.1:2181 10.0.0.2:2181" */
        int64_t ttl_ns;     /* asked for; the servers have limits of their own */
        const char *username, *password_file; /* "": none */
        _Atomic int64_t *errors; /* counted */
};

/* The strings outlive it. Connects to nobody yet. Logs its errors. */
int zookeeper_session_new(struct zookeeper_session **ret, const struct zookeeper_options *options);
/* Ends the session where a server can be told so, within some seconds. */
struct zookeeper_session *zookeeper_session_free(struct zookeeper_session *session);

/*
 * There is a connection, with its user. Connects, or waits until it is back, until
 * the deadline (CLOCK_MONOTONIC): 0, -ETIMEDOUT, -EIO, -EACCES. A session which has
 * ended is replaced by another, which has not been begun.
 */
int zookeeper_session_ready(struct zookeeper_session *session, int64_t deadline_ns);
/* The next one that is ready counts as begun. Ends one that was begun already. */
void zookeeper_session_renew(struct zookeeper_session *session);
void zookeeper_session_begun(struct zookeeper_session *session);
bool zookeeper_session_is_begun(const struct zookeeper_session *session);
int64_t zookeeper_session_ttl_ns(const struct zookeeper_session *session); /* as granted */

/* ---- requests: all are sent at once, and freed by the caller. NULL: no memory. */
struct zookeeper_request {
        struct zookeeper_session *session;
        struct zookeeper_request *next, *previous; /* of those that are under way */
        int64_t sent_ns; /* CLOCK_BOOTTIME */
        bool answered;
        bool abandoned; /* nobody waits: it is freed when the library lets it go */
        int code;       /* of the library: ZOK, ZNONODE ... */
        struct Stat stat;
        char *value; /* of a get; NUL-terminated, cut at a NUL within */
        bool open;   /* of an ACL: everybody may write */
        char **names; /* of a list of children */
        size_t n_names;
        /* of a multi: one for each operation; the library writes here */
        zoo_op_result_t *results;
        struct Stat *stats;
};
struct zookeeper_request *zookeeper_send_sync(struct zookeeper_session *session, const char *path);
struct zookeeper_request *zookeeper_send_get(struct zookeeper_session *session, const char *path);
struct zookeeper_request *zookeeper_send_acl(struct zookeeper_session *session, const char *path);
struct zookeeper_request *zookeeper_send_children(struct zookeeper_session *session,
                                                  const char *path);
struct zookeeper_request *zookeeper_send_create(struct zookeeper_session *session,
                                                const char *path, const char *value);
/* `operations` may go at once, but the stats of their set_op are those of the request. */
struct zookeeper_request *zookeeper_send_multi(struct zookeeper_session *session,
                                               zoo_op_t *operations, size_t n);
/* 0: `code` says how it went; -ETIMEDOUT, -EIO: nothing is known; -ESTALE: the session
 * has ended, nothing was done; -EACCES. NULL is -ENOMEM. Counts and logs failures. */
int zookeeper_wait(struct zookeeper_request *request, int64_t deadline_ns);
/* Also when it was not answered. */
struct zookeeper_request *zookeeper_request_free(struct zookeeper_request *request);

/* Who may see and change what we create: one user, or everybody. */
struct ACL_vector *zookeeper_acl(const struct zookeeper_session *session);
bool zookeeper_has_user(const struct zookeeper_session *session);
