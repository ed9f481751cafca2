/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/session.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/addresses.h"
#include "daemon/config/password_file.h"
#include "daemon/lease/zookeeper/handle.h"
#include "daemon/lease/zookeeper/request.h"
#include "daemon/util/log.h"
#include "daemon/util/thread.h"
#include "daemon/util/time.h"

#define LOOKS_IN_TTL 240

/* ---- the handle */

/* In a thread of the library's. */
static void watch_session(zhandle_t *handle, int type, int state, const char *path, void *context) {
        struct zookeeper_session *s = context;

        (void)handle, (void)path;
        if (type != ZOO_SESSION_EVENT)
                return;
        pthread_mutex_lock(&s->mutex);
        s->state = state;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->mutex);
}

/* The library tries the servers in another order each time, and takes its threads'
 * signal mask from us. A server's name is looked up when it connects, not before each
 * of its steps, which would be its default. */
static int open_handle(struct zookeeper_session *s) {
        int ttl_ms = (int)(s->options.ttl_ns / NS_PER_MS);
        sigset_t all, before;

        zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
        s->state = 0;
        s->has_user = false;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        s->handle = zookeeper_init2(s->hosts, watch_session, ttl_ms,
                                    s->id.client_id != 0 ? &s->id : NULL, s, ZOO_NO_LOG_CLIENTENV,
                                    zookeeper_handle_take_message);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (s->handle == NULL)
                return zookeeper_handle_fail(s, -EIO, "cannot connect");
        (void)zoo_set_servers_resolution_delay(s->handle, -1);
        return 0;
}

/* Afterwards the library has no thread left, so it never answers what is open. With a
 * connection the session ends too; without one it can be continued by its ID. */
static void close_handle(struct zookeeper_session *s) {
        if (s->handle == NULL)
                return;
        (void)zookeeper_close(s->handle);
        s->handle = NULL;
        while (s->requests != NULL) {
                struct zookeeper_request *request = s->requests;

                request->answered = true;
                if (request->code == ZOK)
                        request->code = ZCLOSING;
                zookeeper_request_unlink(request);
                if (request->abandoned)
                        zookeeper_request_free(request);
        }
}

/* The next handle begins another one. */
static void end_session(struct zookeeper_session *s) {
        close_handle(s);
        s->id.client_id = 0;
        s->begun = false;
}

static void free_user(char *user) {
        if (user != NULL)
                explicit_bzero(user, strlen(user));
        free(user);
}

int zookeeper_session_new(struct zookeeper_session **ret, const struct zookeeper_options *options) {
        struct zookeeper_session *s = calloc(1, sizeof(*s));
        int r = s == NULL ? -ENOMEM : thread_condition_init(&s->changed);

        if (r < 0) {
                free(s);
                return log_failure(-r, EVENT_ZOOKEEPER, "no memory for the session with ZooKeeper");
        }
        pthread_mutex_init(&s->mutex, NULL); /* cannot fail with default attributes */
        s->options = *options;
        s->hosts = addresses_zookeeper_list(options->hosts);
        if (s->hosts == NULL) {
                zookeeper_session_free(s);
                return log_failure(ENOMEM, EVENT_ZOOKEEPER, "no memory for the list of servers");
        }
        zookeeper_handle_clear_message();
        *ret = s;
        return 0;
}

struct zookeeper_session *zookeeper_session_free(struct zookeeper_session *s) {
        if (s == NULL)
                return NULL;
        end_session(s);
        free_user(s->user);
        pthread_cond_destroy(&s->changed);
        pthread_mutex_destroy(&s->mutex);
        free(s->hosts);
        free(s);
        return NULL;
}

/* ---- the connection */

/* By our clock it has ended when there was no answer for the whole of its time. */
static bool session_has_ended(struct zookeeper_session *s) {
        int state = s->handle != NULL ? zookeeper_handle_state(s) : 0;

        if (state == ZOO_EXPIRED_SESSION_STATE || state == ZOO_AUTH_FAILED_STATE)
                return true;
        return s->id.client_id != 0 && state != ZOO_CONNECTED_STATE &&
               time_ns(CLOCK_BOOTTIME) - s->answered_ns > s->ttl_ns;
}

static bool is_decided(int state) {
        return state == ZOO_CONNECTED_STATE || state == ZOO_EXPIRED_SESSION_STATE ||
               state == ZOO_AUTH_FAILED_STATE;
}

/* Until the deadline, or until all servers have refused: then the library has no
 * connection under way, for a sixtieth of the session's time. (Between two servers
 * it has none for a moment; hence two looks.) */
static void wait_for_connection(struct zookeeper_session *s, int64_t deadline_ns) {
        int64_t left_ns;
        unsigned idle = 0;

        pthread_mutex_lock(&s->mutex);
        while (!is_decided(s->state) && idle < 2 &&
               (left_ns = deadline_ns - time_ns(CLOCK_MONOTONIC)) > 0) {
                int64_t look_ns = s->options.ttl_ns / LOOKS_IN_TTL;
                struct timespec until = thread_deadline(left_ns < look_ns ? left_ns : look_ns);

                (void)pthread_cond_timedwait(&s->changed, &s->mutex, &until);
                idle = zoo_state(s->handle) == 0 ? idle + 1 : 0;
        }
        pthread_mutex_unlock(&s->mutex);
}

/* Ends the library's threads: they would retry without end, those of all hosts together.
 * All further attempts thus have the pauses of our caller. */
static int give_up_connection(struct zookeeper_session *s) {
        bool refused = zoo_state(s->handle) == 0;

        close_handle(s);
        return refused ? zookeeper_handle_fail(s, -EIO, "no server takes a connection")
                       : zookeeper_handle_fail(s, -ETIMEDOUT, "no connection in time");
}

static int connect_session(struct zookeeper_session *s, int64_t deadline_ns) {
        int r = 0, state;

        if (session_has_ended(s))
                end_session(s);
        if (s->handle != NULL && zookeeper_handle_state(s) != ZOO_CONNECTED_STATE)
                close_handle(s); /* a new one connects at once */
        if (s->handle == NULL)
                r = open_handle(s);
        if (r < 0)
                return r;
        wait_for_connection(s, deadline_ns);
        state = zookeeper_handle_state(s);
        if (state == ZOO_EXPIRED_SESSION_STATE)
                return -ESTALE;
        if (state == ZOO_AUTH_FAILED_STATE)
                return zookeeper_handle_error(s, ZAUTHFAILED);
        if (state != ZOO_CONNECTED_STATE)
                return give_up_connection(s);
        if (s->id.client_id == 0)
                s->answered_ns = time_ns(CLOCK_BOOTTIME);
        /* the same with each connection; the library's thread wrote it before it reported this */
        s->id = *zoo_client_id(s->handle);
        s->ttl_ns = zoo_recv_timeout(s->handle) * NS_PER_MS;
        return 0;
}

/* ---- the user */

static int fail_password(struct zookeeper_session *s, const char *message) {
        if (strcmp(s->password_error, message) != 0)
                log_event(EVENT_ZOOKEEPER_PASSWORD, "%s", message);
        snprintf(s->password_error, sizeof(s->password_error), "%s", message);
        return -EACCES;
}

/* "NAME:PASSWORD", malloc'ed. */
static int read_user(struct zookeeper_session *s, char **ret) {
        char password[PASSWORD_SIZE], message[sizeof(s->password_error)];
        int r = password_file_read("zookeeper.password_file", s->options.password_file, password,
                                   message, sizeof(message));

        if (r < 0)
                return fail_password(s, message);
        s->password_error[0] = '\0';
        if (asprintf(ret, "%s:%s", s->options.username, password) < 0)
                r = -ENOMEM;
        explicit_bzero(password, sizeof(password));
        return r;
}

/* A session keeps every user that it was ever told, and what it creates belongs to all of
 * them: with another password another session begins. */
static void look_at_password(struct zookeeper_session *s) {
        char *user = NULL;

        if (!s->doubt || !s->has_user || read_user(s, &user) < 0)
                return;
        s->doubt = false;
        if (strcmp(user, s->user) != 0) {
                log_event(EVENT_ZOOKEEPER_USER, "zookeeper.password_file has another "
                          "password: a new session begins with it");
                end_session(s);
        }
        free_user(user);
}

/* ZooKeeper accepts any user: a wrong password shows only when a node is read. */
static int add_user(struct zookeeper_session *s, int64_t deadline_ns) {
        struct zookeeper_request *request;
        char *user = NULL;
        int r;

        if (s->has_user || !zookeeper_handle_has_user(s))
                return 0;
        r = read_user(s, &user);
        if (r < 0)
                return r;
        request = zookeeper_request_user(s, user);
        r = zookeeper_request_wait(request, deadline_ns);
        if (r == 0)
                r = zookeeper_handle_error(s, request->code);
        s->has_user = r == 0;
        s->doubt &= !s->has_user;
        zookeeper_request_free(request);
        free_user(s->user);
        s->user = user;
        return r;
}

int zookeeper_session_ready(struct zookeeper_session *s, int64_t deadline_ns) {
        int r;

        look_at_password(s);
        do
                r = connect_session(s, deadline_ns);
        while (r == -ESTALE && time_ns(CLOCK_MONOTONIC) < deadline_ns);
        if (r == 0)
                r = add_user(s, deadline_ns);
        return r == -ESTALE ? -EIO : r;
}

void zookeeper_session_renew(struct zookeeper_session *s) {
        if (s->begun)
                end_session(s);
}
