/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/zookeeper/handle.h"
#include "daemon/util/thread.h"
#include "daemon/util/time.h"

#define LARGE_BYTES (512u << 10) /* of jute.maxbuffer, which is 1 MiB as a rule */

static void destroy_request(struct zookeeper_request *request) {
        for (size_t i = 0; i < request->n_names; i++)
                free(request->names[i]);
        free(request->names);
        free(request->value);
        free(request->results);
        free(request->stats);
        free(request);
}

/* Called with the mutex, or without any thread of the library's. */
void zookeeper_request_unlink(struct zookeeper_request *request) {
        if (request->next != NULL)
                request->next->previous = request->previous;
        if (request->previous != NULL)
                request->previous->next = request->next;
        else
                request->session->requests = request->next;
        request->next = request->previous = NULL;
}

/* The results are in the request. */
static void complete_request(struct zookeeper_request *request, int code) {
        struct zookeeper_session *s = request->session;
        bool abandoned;

        pthread_mutex_lock(&s->mutex);
        zookeeper_request_unlink(request);
        request->code = code;
        request->answered = true;
        abandoned = request->abandoned;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->mutex);
        if (abandoned)
                destroy_request(request);
}

static struct zookeeper_request *begin_request(struct zookeeper_session *s) {
        struct zookeeper_request *request = calloc(1, sizeof(*request));

        if (request == NULL)
                return NULL;
        request->session = s;
        request->sent_ns = time_ns(CLOCK_BOOTTIME);
        pthread_mutex_lock(&s->mutex);
        request->next = s->requests;
        if (s->requests != NULL)
                s->requests->previous = request;
        s->requests = request;
        pthread_mutex_unlock(&s->mutex);
        return request;
}

/* The library has taken the request, or says why not and never calls. */
static struct zookeeper_request *check_sent(struct zookeeper_request *request, int code) {
        if (code != ZOK)
                complete_request(request, code);
        return request;
}

/* ---- completions, in a thread of the library's */

static void on_nothing(int code, const void *context) {
        complete_request((struct zookeeper_request *)context, code);
}

static void on_text(int code, const char *text, const void *context) {
        (void)text;
        complete_request((struct zookeeper_request *)context, code);
}

static void on_value(int code, const char *value, int size, const struct Stat *stat,
                     const void *context) {
        struct zookeeper_request *request = (struct zookeeper_request *)context;

        if (code == ZOK) {
                request->stat = *stat;
                request->value = size > 0 ? strndup(value, (size_t)size) : strdup("");
                if (request->value == NULL)
                        code = ZSYSTEMERROR;
        }
        complete_request(request, code);
}

static void on_names(int code, const struct String_vector *names, const void *context) {
        struct zookeeper_request *request = (struct zookeeper_request *)context;
        size_t n = code == ZOK ? (size_t)names->count : 0;

        request->names = calloc(n + 1, sizeof(*request->names));
        if (request->names == NULL)
                code = ZSYSTEMERROR;
        for (size_t i = 0; code == ZOK && i < n; i++) {
                request->names[i] = strdup(names->data[i]);
                if (request->names[i] == NULL)
                        code = ZSYSTEMERROR;
                else
                        request->n_names++;
        }
        complete_request(request, code);
}

static void on_acl(int code, struct ACL_vector *acl, struct Stat *stat, const void *context) {
        struct zookeeper_request *request = (struct zookeeper_request *)context;

        (void)stat;
        for (int32_t i = 0; code == ZOK && i < acl->count; i++)
                request->open |= strcmp(acl->data[i].id.scheme, "world") == 0 &&
                                 (acl->data[i].perms & ZOO_PERM_WRITE) != 0;
        complete_request(request, code);
}

/* ---- sending */

struct zookeeper_request *zookeeper_request_user(struct zookeeper_session *s,
                                                 const char *credentials) {
        struct zookeeper_request *request = begin_request(s);

        if (request == NULL)
                return NULL;
        return check_sent(request, zoo_add_auth(s->handle, "digest", credentials,
                                                (int)strlen(credentials), on_nothing, request));
}

struct zookeeper_request *zookeeper_request_read(struct zookeeper_session *s,
                                                 enum zookeeper_read what, const char *path) {
        struct zookeeper_request *request = begin_request(s);
        int code;

        if (request == NULL)
                return NULL;
        if (what == ZOOKEEPER_SYNC)
                code = zoo_async(s->handle, path, on_text, request);
        else if (what == ZOOKEEPER_GET)
                code = zoo_aget(s->handle, path, 0, on_value, request);
        else if (what == ZOOKEEPER_ACL)
                code = zoo_aget_acl(s->handle, path, on_acl, request);
        else
                code = zoo_aget_children(s->handle, path, 0, on_names, request);
        return check_sent(request, code);
}

struct zookeeper_request *zookeeper_request_create(struct zookeeper_session *s, const char *path,
                                                   const char *value) {
        struct zookeeper_request *request = begin_request(s);

        if (request == NULL)
                return NULL;
        return check_sent(request, zoo_acreate(s->handle, path, value, (int)strlen(value),
                                               zookeeper_handle_acl(s), ZOO_PERSISTENT, on_text,
                                               request));
}

struct zookeeper_request *zookeeper_request_multi(struct zookeeper_session *s, zoo_op_t *operations,
                                                  size_t n) {
        struct zookeeper_request *request = begin_request(s);

        if (request == NULL)
                return NULL;
        request->results = calloc(n + 1, sizeof(*request->results));
        request->stats = calloc(n + 1, sizeof(*request->stats));
        if (request->results == NULL || request->stats == NULL)
                return check_sent(request, ZSYSTEMERROR);
        for (size_t i = 0; i < n; i++)
                if (operations[i].type == ZOO_SETDATA_OP) {
                        operations[i].set_op.stat = &request->stats[i];
                        request->size += (size_t)operations[i].set_op.datalen;
                }
        return check_sent(request, zoo_amulti(s->handle, (int)n, operations, request->results,
                                              on_nothing, request));
}

/* ---- waiting */

/* Of an incident that a multi begins, see struct zookeeper_session. */
static int fail_request(const struct zookeeper_request *request, int error, const char *why) {
        struct zookeeper_session *s = request->session;
        bool first = s->failing_ns == 0;
        int r = why != NULL ? zookeeper_handle_fail(s, error, why)
                            : zookeeper_handle_error(s, request->code);

        if (first)
                s->failing_multi = request->results != NULL;
        return r;
}

/* A server ends the connection at a request that is longer than it takes, and its client
 * would send that again for ever. */
static int fail_large(const struct zookeeper_request *request) {
        char why[160];

        snprintf(why, sizeof(why), "the connection ended at a request of %zu bytes; if that is "
                 "more than jute.maxbuffer of the servers, raise it", request->size);
        zookeeper_handle_clear_message();
        return fail_request(request, -EIO, why);
}

int zookeeper_request_wait(struct zookeeper_request *request, int64_t deadline_ns) {
        struct zookeeper_session *s;
        int64_t left_ns;
        bool answered;

        if (request == NULL)
                return -ENOMEM;
        s = request->session;
        pthread_mutex_lock(&s->mutex);
        while (!request->answered &&
               (left_ns = deadline_ns - time_ns(CLOCK_MONOTONIC)) > 0) {
                struct timespec until = thread_deadline(left_ns);

                (void)pthread_cond_timedwait(&s->changed, &s->mutex, &until);
        }
        answered = request->answered;
        pthread_mutex_unlock(&s->mutex);
        if (!answered)
                return fail_request(request, -ETIMEDOUT, "no answer in time");
        /* errors below are the library's own, those above are answers of a server */
        if (request->code == ZSESSIONEXPIRED || request->code == ZAUTHFAILED ||
            (request->code < ZOK && request->code > ZAPIERROR))
                return request->code == ZCONNECTIONLOSS && request->size > LARGE_BYTES
                               ? fail_large(request)
                               : fail_request(request, 0, NULL);
        zookeeper_handle_answered(s, request->sent_ns, request->results != NULL);
        return 0;
}

void zookeeper_request_free(struct zookeeper_request *request) {
        bool answered;

        if (request == NULL)
                return;
        pthread_mutex_lock(&request->session->mutex);
        answered = request->answered;
        request->abandoned = true;
        pthread_mutex_unlock(&request->session->mutex);
        if (answered)
                destroy_request(request);
}
