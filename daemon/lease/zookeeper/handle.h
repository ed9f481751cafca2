/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a session with ZooKeeper and its requests share: its state, what a code of the
 * library means as an error, and the ACL of what we create.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <zookeeper/zookeeper.h>

struct zookeeper_request;

struct zookeeper_options {
        const char *hosts;                    /* "10.0.0.1:2181 10.0.0.2:2181" */
        int64_t ttl_ns;                       /* asked for; the servers have limits of their own */
        const char *username, *password_file; /* "": none */
        _Atomic int64_t *errors;              /* counted */
};

struct zookeeper_session {
        struct zookeeper_options options;
        char *hosts;           /* as the library wants them */
        pthread_mutex_t mutex; /* for what the library's threads write */
        pthread_cond_t changed;
        int state;                          /* under the mutex: the last session event */
        struct zookeeper_request *requests; /* under the mutex: the library has them */
        zhandle_t *handle;                  /* NULL: none */
        bool has_user;                      /* with this handle */
        char *user;                         /* "NAME:PASSWORD" as it was sent last; NULL: never */
        bool doubt;                         /* the password may have changed */
        char password_error[256];           /* as logged last; "": it can be read */
        clientid_t id;                      /* of the session; 0: there is none yet */
        int64_t ttl_ns;                     /* as granted to it */
        bool begun;                         /* it may be written in, until it ends */
        /* One pair of lines an incident: what a multi began, as one that is too long, only a
         * multi ends, although other requests are answered. */
        int64_t failing_ns;  /* CLOCK_BOOTTIME: when it began; 0: nothing fails */
        bool failing_multi;
        bool refusing;       /* a refusal was logged */
        int64_t answered_ns; /* CLOCK_BOOTTIME: when what was answered last was sent, or earlier */
};

/* Called by libzookeeper for each line of its log; it keeps the last error. */
void zookeeper_handle_take_message(const char *line);
void zookeeper_handle_clear_message(void);

int zookeeper_handle_state(struct zookeeper_session *session); /* the last session event */
/* Counts a failure, and logs the first one until an answer comes. Returns `error`. */
int zookeeper_handle_fail(struct zookeeper_session *session, int error, const char *why);
/* 0 or -errno for a code of the library's; counts and logs. */
int zookeeper_handle_error(struct zookeeper_session *session, int code);
/* There is an answer to what was sent at that time. */
void zookeeper_handle_answered(struct zookeeper_session *session, int64_t sent_ns, bool multi);

bool zookeeper_handle_has_user(const struct zookeeper_session *session);
/* Who may read and change what we create: one user, or everybody. */
struct ACL_vector *zookeeper_handle_acl(const struct zookeeper_session *session);

/* ---- the coordinator of these sessions */

struct zookeeper_coordinator {
        struct zookeeper_session *session;
        const char *prefix; /* "/sfshm" */
        int64_t timeout_ns; /* of one call */
        int64_t until_ns;   /* no call lasts longer, on CLOCK_MONOTONIC; 0: no limit */
};

int64_t zookeeper_handle_deadline_ns(const struct zookeeper_coordinator *zookeeper);
/* Takes the code of an answer: 0, or -EACCES or -EIO; logs the first one of an incident. */
int zookeeper_handle_refused(struct zookeeper_session *session, int code, const char *path);
/* Likewise in other words; -EACCES. */
int zookeeper_handle_refuse(struct zookeeper_session *session, const char *path, const char *why,
                            const char *remedy);
/* A commit is done: nothing is refused any more. */
void zookeeper_handle_admitted(struct zookeeper_session *session);

/* ---- what a znode says */

#define ZOOKEEPER_FOLDER "folder"

/* > 0, for struct coordinator_item; see calls.h. */
int64_t zookeeper_modified(const struct Stat *stat);
int zookeeper_version(int64_t modified); /* of which znode it was */

/* A folder znode holds keys and is none; the operator may have created it without a value. */
bool zookeeper_is_folder(const char *value, const struct Stat *stat);

/* "A/B", or one of them if the other is empty; malloc'ed; NULL: no memory. */
char *zookeeper_path(const char *a, const char *b);

/* As coordinator.h; in commit.c and list.c. */
struct coordinator_commit;
struct coordinator_list;
int zookeeper_commit(void *coordinator, const struct coordinator_commit *commit);
/* -EAGAIN: what is listed moved all the time. */
int zookeeper_list(void *coordinator, const char *prefix, struct coordinator_list *ret);
