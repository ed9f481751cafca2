/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Requests in a session with ZooKeeper, with time-outs of our own around the asynchronous
 * calls of libzookeeper. Each function sends at once and returns a request, which the
 * caller frees; NULL: no memory.
 *
 * A request belongs to the library from sending until its completion was called, or until
 * the handle is closed, when the library has no thread any more that could call it. It is
 * freed only after that, even when nobody waits for it any more.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zookeeper/zookeeper.h>

struct zookeeper_session;

struct zookeeper_request {
        struct zookeeper_session *session;
        struct zookeeper_request *next, *previous; /* of those that are under way */
        int64_t sent_ns;                           /* CLOCK_BOOTTIME */
        bool answered;
        bool abandoned; /* nobody waits: it is freed when the library is done with it */
        int code;       /* of the library: ZOK, ZNONODE ... */
        struct Stat stat;
        char *value;  /* of a get; NUL-terminated, cut at a NUL within */
        bool open;    /* of an ACL: everybody may write */
        char **names; /* of a list of children */
        size_t n_names;
        size_t size;  /* of the values in a multi */
        /* of a multi: one for each operation; the library writes here */
        zoo_op_result_t *results;
        struct Stat *stats;
};

/* "USER:PASSWORD" */
struct zookeeper_request *zookeeper_request_user(struct zookeeper_session *session,
                                                 const char *credentials);
enum zookeeper_read { ZOOKEEPER_SYNC, ZOOKEEPER_GET, ZOOKEEPER_ACL, ZOOKEEPER_CHILDREN };
struct zookeeper_request *zookeeper_request_read(struct zookeeper_session *session,
                                                 enum zookeeper_read what, const char *path);
struct zookeeper_request *zookeeper_request_create(struct zookeeper_session *session,
                                                   const char *path, const char *value);
/* `operations` may be freed at once; the stats of their set_op belong to the request. */
struct zookeeper_request *zookeeper_request_multi(struct zookeeper_session *session,
                                                  zoo_op_t *operations, size_t n);
/* 0: `code` says how it went; -ETIMEDOUT, -EIO: nothing is known; -ESTALE: the session
 * has ended, nothing was done; -EACCES. NULL is -ENOMEM. Counts and logs failures. */
int zookeeper_request_wait(struct zookeeper_request *request, int64_t deadline_ns);
/* Works also before the answer. */
void zookeeper_request_free(struct zookeeper_request *request);

/* For the end of a session, when the library has no thread any more. */
void zookeeper_request_unlink(struct zookeeper_request *request);
