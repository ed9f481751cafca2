/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libclient/exporter/answers.h"

/* A request and its answer's headers need less. */
#define CONNECTION_MEMORY 8192
/* A sample is good for so long: scrapes cost the daemon no more than five samples a second. */
#define FRESH_NS INT64_C(200000000)
/* Who has asked for the page so long ago does not look any more. */
#define LOOKS_NS INT64_C(10000000000)

int64_t http_now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- answers */

static enum MHD_Result queue(struct MHD_Connection *connection, struct answer *answer) {
        struct MHD_Response *response;
        enum MHD_Result result;
        char seconds[16];

        if (answer->body == NULL)
                return MHD_NO; /* no memory: hangs up */
        response = MHD_create_response_from_buffer(answer->size, answer->body, MHD_RESPMEM_MUST_FREE);
        if (response == NULL) {
                free(answer->body);
                return MHD_NO;
        }
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
        MHD_add_response_header(response, "Content-Security-Policy",
                                answer->policy[0] != '\0' ? answer->policy
                                                          : "default-src 'none'; frame-ancestors 'none'");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
                MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        snprintf(seconds, sizeof(seconds), "%u", answer->retry_after_s);
        if (answer->retry_after_s > 0)
                MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
        result = MHD_queue_response(connection, answer->status, response);
        MHD_destroy_response(response);
        return result;
}

static enum MHD_Result queue_line(struct MHD_Connection *connection, unsigned status,
                                  const char *line) {
        struct answer answer;

        answer_line(&answer, status, line);
        return queue(connection, &answer);
}

/* ---- requests */

static bool is_fresh(const struct http *http) {
        return http->taken_ns != INT64_MIN && http_now_ns() - http->taken_ns < FRESH_NS;
}

static enum MHD_Result wait_for_sample(struct http *http, struct MHD_Connection *connection) {
        http->waiting[http->n_waiting++] = connection;
        door_set_waiting(connection, true);
        MHD_suspend_connection(connection);
        sampler_ask(http->sampler);
        return MHD_YES;
}

/* Called when the headers are there (`stage` is NULL), and then until there is an answer. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *body,
                              size_t *body_size, void **stage) {
        static char begun, waited;
        answer_function *function = answer_of(path);
        struct http *http = context;
        struct answer answer;

        (void)version;
        (void)body;
        if (*body_size > 0)
                return MHD_NO; /* none is expected: hangs up */
        if (*stage == NULL) {
                *stage = &begun;
                if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
                    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
                        return queue_line(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                                          "only GET and HEAD are answered");
                return function != NULL
                               ? MHD_YES
                               : queue_line(connection, MHD_HTTP_NOT_FOUND,
                                            "there are /, /metrics, /healthz and /readyz");
        }
        if (strcmp(path, ANSWERS_PAGE) == 0)
                http->looked_ns = http_now_ns();
        if (*stage == &begun && !is_fresh(http)) {
                *stage = &waited;
                return wait_for_sample(http, connection);
        }
        function(&http->sample, &http->history, &answer);
        return queue(connection, &answer);
}

/* ---- life */

int http_begin(struct http *ret, struct sampler *sampler) {
        *ret = (struct http){ .sampler = sampler, .taken_ns = INT64_MIN, .looked_ns = INT64_MIN };
        door_begin(&ret->door);
        errno = 0;
        ret->daemon = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                handle, ret, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT, DOOR_PLACES,
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                MHD_OPTION_NOTIFY_CONNECTION, door_notify, &ret->door, MHD_OPTION_END);
        if (ret->daemon == NULL)
                return errno != 0 ? -errno : -ENOMEM;
        ret->door.daemon = ret->daemon;
        return 0;
}

static void resume_all(struct http *http) {
        for (unsigned i = 0; i < http->n_waiting; i++) {
                door_set_waiting(http->waiting[i], false);
                MHD_resume_connection(http->waiting[i]);
        }
        http->n_waiting = 0;
}

void http_end(struct http *http) {
        resume_all(http);
        if (http->daemon != NULL)
                MHD_stop_daemon(http->daemon);
        sample_clear(&http->sample);
}

void http_collect(struct http *http) {
        struct sample sample;

        if (!sampler_collect(http->sampler, &sample))
                return;
        sample_clear(&http->sample);
        http->sample = sample;
        http->taken_ns = http_now_ns();
        history_add(&http->history, &sample);
        resume_all(http);
}

/* While somebody looks at the page, a sample each second. When it is due, in ms; -1: never. */
static int keep_history(struct http *http) {
        int64_t now_ns = http_now_ns(), due_ns = http->taken_ns + HISTORY_INTERVAL_NS;

        if (http->looked_ns == INT64_MIN || now_ns - http->looked_ns > LOOKS_NS)
                return -1;
        if (due_ns > now_ns)
                return (int)((due_ns - now_ns) / 1000000 + 1);
        sampler_ask(http->sampler);
        return (int)(HISTORY_INTERVAL_NS / 1000000);
}

int http_run(struct http *http) {
        MHD_UNSIGNED_LONG_LONG ms;
        int due_ms = keep_history(http);

        MHD_run(http->daemon);
        if (MHD_get_timeout(http->daemon, &ms) != MHD_YES)
                return due_ms;
        return due_ms < 0 || ms < (unsigned)due_ms ? (int)(ms > 1000 ? 1000 : ms) : due_ms;
}

int http_fd(const struct http *http) {
        return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}
