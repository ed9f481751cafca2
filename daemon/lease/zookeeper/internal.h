/* SPDX-License-Identifier: MIT */
#pragma once
/* What the session and its requests share. */
#include <pthread.h>

#include "daemon/lease/zookeeper/session.h"

struct zookeeper_session {
        struct zookeeper_options options;
        char *hosts; /* as the library wants them */
        pthread_mutex_t mutex; /* for what the library's threads write */
        pthread_cond_t changed;
        int state;                          /* under the mutex: the last session event */
        struct zookeeper_request *requests; /* under the mutex: the library has them */
        zhandle_t *handle;                  /* NULL: none */
        bool has_user;                      /* with this handle */
        clientid_t id;                      /* of the session; 0: there is none yet */
        int64_t ttl_ns;                     /* as granted to it */
        bool begun;
        bool failing;        /* that was logged */
        int64_t answered_ns; /* CLOCK_BOOTTIME: when what was answered last was sent, or earlier */
};

/* 0 or -errno for a code of the library's; counts and logs. */
int zookeeper_error(struct zookeeper_session *session, int code);
void zookeeper_session_answered(struct zookeeper_session *session, int64_t sent_ns);
int zookeeper_session_silent(struct zookeeper_session *session); /* -ETIMEDOUT, counted */
/* "USER:PASSWORD" */
struct zookeeper_request *zookeeper_send_user(struct zookeeper_session *session,
                                              const char *credentials);
void zookeeper_request_unlink(struct zookeeper_request *request);
