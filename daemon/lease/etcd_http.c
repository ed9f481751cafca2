/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/thread.h"

#define ENDPOINTS_MAX 16u
#define ANSWER_MAX (32u << 20)
#define BREAKER_FIRST_NS INT64_C(500000000)
#define BREAKER_LAST_NS INT64_C(30000000000)
#define CODE_UNAUTHENTICATED 16

struct endpoint {
        char url[256];      /* without a slash at its end */
        int64_t open_ns;    /* not asked before, CLOCK_MONOTONIC */
        int64_t pause_ns;   /* the last one; 0: it works */
};

struct etcd_http {
        struct etcd_http_options options;
        CURL *curl;
        struct endpoint endpoints[ENDPOINTS_MAX];
        size_t n_endpoints, current;
        char token[512]; /* "": none */
        bool failing;    /* that was logged */
        char message[CURL_ERROR_SIZE];
};

struct answer {
        char *text;
        size_t size;
};

static size_t receive(char *bytes, size_t size, size_t n, void *context) {
        struct answer *answer = context;
        char *text;

        if (n > ANSWER_MAX - answer->size)
                return 0;
        text = realloc(answer->text, answer->size + n + 1);
        if (text == NULL)
                return 0;
        memcpy(text + answer->size, bytes, size * n);
        answer->text = text;
        answer->size += n;
        text[answer->size] = '\0';
        return n;
}

/* ---- endpoints */

static bool separates(char c) {
        return c == ' ' || c == ',';
}

/* The next word of the list; 0 at its end. */
static size_t next_endpoint(const char **list) {
        size_t n = 0;

        while (separates(**list))
                (*list)++;
        while ((*list)[n] != '\0' && !separates((*list)[n]))
                n++;
        return n;
}

int etcd_http_check_endpoints(const char *endpoints, bool *ret_tls) {
        size_t n, count = 0;
        bool tls = false;

        while ((n = next_endpoint(&endpoints)) > 0) {
                size_t scheme = strncmp(endpoints, "http://", 7) == 0 ? 7 :
                                strncmp(endpoints, "https://", 8) == 0 ? 8 : 0;

                if (scheme == 0 || n == scheme || n >= sizeof(((struct endpoint *)0)->url) ||
                    memchr(endpoints + scheme, '/', n - scheme) != NULL || ++count > ENDPOINTS_MAX)
                        return -EINVAL;
                if (count > 1 && tls != (scheme == 8))
                        return -EINVAL;
                tls = scheme == 8;
                endpoints += n;
        }
        if (count == 0)
                return -EINVAL;
        *ret_tls = tls;
        return 0;
}

static void take_endpoints(struct etcd_http *http) {
        const char *list = http->options.endpoints;
        uint32_t random = 0;
        size_t n;

        while ((n = next_endpoint(&list)) > 0 && http->n_endpoints < ENDPOINTS_MAX) {
                snprintf(http->endpoints[http->n_endpoints++].url, sizeof(http->endpoints[0].url),
                         "%.*s", (int)n, list);
                list += n;
        }
        /* hosts of one configuration do not all ask the same one */
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == (ssize_t)sizeof(random) &&
            http->n_endpoints > 0)
                http->current = random % http->n_endpoints;
}

static int64_t now_ns(void) {
        return thread_clock_ns(CLOCK_MONOTONIC);
}

/* One whose breaker is closed, from the current one on; else the one whose breaker
 * closes first. */
static size_t choose(const struct etcd_http *http) {
        int64_t now = now_ns();
        size_t best = http->current;

        for (size_t i = 0; i < http->n_endpoints; i++) {
                size_t at = (http->current + i) % http->n_endpoints;

                if (http->endpoints[at].open_ns <= now)
                        return at;
                if (http->endpoints[at].open_ns < http->endpoints[best].open_ns)
                        best = at;
        }
        return best;
}

static void trip(struct etcd_http *http, size_t at) {
        struct endpoint *endpoint = &http->endpoints[at];
        uint16_t random = 0;

        endpoint->pause_ns = endpoint->pause_ns == 0 ? BREAKER_FIRST_NS : endpoint->pause_ns * 2;
        if (endpoint->pause_ns > BREAKER_LAST_NS)
                endpoint->pause_ns = BREAKER_LAST_NS;
        /* hosts that lost it together do not come back together */
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
                random = (uint16_t)now_ns();
        endpoint->open_ns = now_ns() + endpoint->pause_ns / 2 +
                            endpoint->pause_ns / 2 * random / UINT16_MAX;
        http->current = (at + 1) % http->n_endpoints;
}

/* ---- one request */

/* No signals, as there are threads, and no proxy, whatever the environment says. */
static void set_up(struct etcd_http *http) {
        const struct etcd_http_options *o = &http->options;

        curl_easy_setopt(http->curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(http->curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, http->message);
        curl_easy_setopt(http->curl, CURLOPT_TIMEOUT_MS, (long)(o->timeout_ns / 1000000));
        curl_easy_setopt(http->curl, CURLOPT_WRITEFUNCTION, receive);
        curl_easy_setopt(http->curl, CURLOPT_TCP_NODELAY, 1L);
        if (o->ca_file[0] != '\0')
                curl_easy_setopt(http->curl, CURLOPT_CAINFO, o->ca_file);
        if (o->cert_file[0] != '\0') {
                curl_easy_setopt(http->curl, CURLOPT_SSLCERT, o->cert_file);
                curl_easy_setopt(http->curl, CURLOPT_SSLKEY, o->key_file);
        }
}

int etcd_http_new(struct etcd_http **ret, const struct etcd_http_options *options) {
        struct etcd_http *http = calloc(1, sizeof(*http));

        if (http == NULL)
                return log_failure(ENOMEM, "etcd", "no memory for the connection to etcd");
        http->options = *options;
        take_endpoints(http);
        if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
                http->curl = curl_easy_init();
        if (http->curl == NULL) {
                etcd_http_free(http);
                return log_failure(ENOMEM, "etcd", "libcurl does not start");
        }
        set_up(http);
        *ret = http;
        return 0;
}

struct etcd_http *etcd_http_free(struct etcd_http *http) {
        if (http == NULL)
                return NULL;
        if (http->curl != NULL)
                curl_easy_cleanup(http->curl);
        free(http);
        return NULL;
}

/* What an answer says that is none: one of three shapes, or plain text. */
static const char *reason(const json_t *object, const struct answer *answer, long *ret_code) {
        const json_t *error = json_object_get(object, "error"), *code, *text;

        code = json_object_get(json_is_object(error) ? error : object,
                               json_is_object(error) ? "grpc_code" : "code");
        text = json_is_object(error) ? json_object_get(error, "message") : error;
        *ret_code = (long)json_integer_value(code);
        if (json_is_string(text))
                return json_string_value(text);
        return answer->text != NULL ? answer->text : "an empty answer";
}

/* Nothing has reached etcd. */
static bool never_sent(CURLcode code) {
        return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
               code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
               code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE;
}

static int judge_answer(struct etcd_http *http, const struct answer *answer, json_t **ret) {
        json_t *object = json_loads(answer->text != NULL ? answer->text : "", 0, NULL);
        long status = 0, code;
        const char *why;

        curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status == 200 && json_is_object(object) && json_object_get(object, "error") == NULL) {
                *ret = object;
                return 0;
        }
        why = reason(object, answer, &code);
        snprintf(http->message, sizeof(http->message), "HTTP status %ld, %.150s", status, why);
        json_decref(object);
        return status == 401 || status == 403 || code == CODE_UNAUTHENTICATED ? -EACCES : -EIO;
}

static int perform(struct etcd_http *http, size_t at, const char *path, const char *body,
                   bool *ret_sent, json_t **ret) {
        char url[sizeof(http->endpoints[0].url) + 64], authorization[600];
        struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
        struct answer answer = { .size = 0 };
        CURLcode code;
        int r;

        /* without this one a large request waits a second for leave */
        headers = curl_slist_append(headers, "Expect:");
        snprintf(authorization, sizeof(authorization), "Authorization: %s", http->token);
        if (http->token[0] != '\0')
                headers = curl_slist_append(headers, authorization);
        snprintf(url, sizeof(url), "%s/v3/%s", http->endpoints[at].url, path);
        curl_easy_setopt(http->curl, CURLOPT_URL, url);
        curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, &answer);
        http->message[0] = '\0';
        code = curl_easy_perform(http->curl);
        *ret_sent = !never_sent(code);
        if (code == CURLE_OK)
                r = judge_answer(http, &answer, ret);
        else
                r = code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EIO;
        if (code != CURLE_OK && http->message[0] == '\0')
                snprintf(http->message, sizeof(http->message), "%s", curl_easy_strerror(code));
        curl_slist_free_all(headers);
        free(answer.text);
        return r;
}

/* ---- user and password */

static int read_password(const struct etcd_http *http, char password[256]) {
        int fd = open(http->options.password_file, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, password, 255);

        if (fd >= 0)
                close(fd);
        if (n < 0)
                return log_failure(EACCES, "etcd-password", "cannot read etcd.password_file %s: %s",
                                   http->options.password_file, strerror(errno));
        password[n] = '\0';
        password[strcspn(password, "\r\n")] = '\0';
        return 0;
}

/* The file is read each time, so that it may change. */
static int authenticate(struct etcd_http *http, size_t at) {
        char password[256] = "", *body;
        json_t *request, *answer = NULL;
        const char *token;
        bool sent;
        int r = read_password(http, password);

        if (r < 0)
                return r;
        request = json_pack("{s:s, s:s}", "name", http->options.username, "password", password);
        body = request != NULL ? json_dumps(request, 0) : NULL;
        explicit_bzero(password, sizeof(password));
        json_decref(request);
        if (body == NULL)
                return -ENOMEM;
        http->token[0] = '\0';
        r = perform(http, at, "auth/authenticate", body, &sent, &answer);
        explicit_bzero(body, strlen(body));
        free(body);
        token = json_string_value(json_object_get(answer, "token"));
        if (r == 0 && (token == NULL || strlen(token) >= sizeof(http->token) ||
                       strpbrk(token, "\r\n") != NULL))
                r = -EIO;
        if (r == 0)
                strcpy(http->token, token);
        else if (r == -EIO && sent)
                r = -EACCES; /* a wrong password is a bad request to it */
        json_decref(answer);
        return r;
}

/* A token ends; then once more with another. */
static int ask(struct etcd_http *http, size_t at, const char *path, const char *body,
               bool *ret_sent, json_t **ret) {
        bool with_user = http->options.username[0] != '\0', fresh = false;
        int r = 0;

        *ret_sent = false;
        if (with_user && http->token[0] == '\0') {
                fresh = true;
                r = authenticate(http, at);
        }
        if (r == 0)
                r = perform(http, at, path, body, ret_sent, ret);
        if (r != -EACCES || !with_user || fresh)
                return r;
        r = authenticate(http, at);
        return r < 0 ? r : perform(http, at, path, body, ret_sent, ret);
}

/* ---- all endpoints */

static void tell_failure(struct etcd_http *http, size_t at) {
        /* relaxed: a number to look at */
        atomic_fetch_add_explicit(http->options.errors, 1, memory_order_relaxed);
        if (!http->failing)
                log_event(LOG_LEVEL_WARNING, "etcd-away", "etcd at %s does not serve: %s; trying on, "
                          "at every endpoint in turn", http->endpoints[at].url, http->message);
        http->failing = true;
}

static void tell_success(struct etcd_http *http, size_t at) {
        if (http->failing)
                log_event(LOG_LEVEL_NOTICE, "etcd-back", "etcd at %s serves again",
                          http->endpoints[at].url);
        http->failing = false;
        http->current = at;
        http->endpoints[at].open_ns = http->endpoints[at].pause_ns = 0;
}

int etcd_http_call(struct etcd_http *http, const char *path, json_t *request, bool once,
                   json_t **ret) {
        char *body = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
        int r = body != NULL ? -EIO : -ENOMEM;

        json_decref(request);
        for (size_t i = 0; body != NULL && i < http->n_endpoints; i++) {
                size_t at = choose(http);
                bool sent = false;

                r = ask(http, at, path, body, &sent, ret);
                if (r == 0)
                        tell_success(http, at);
                if (r == 0 || r == -ENOMEM)
                        break;
                tell_failure(http, at);
                trip(http, at);
                if ((once && sent) || r == -ETIMEDOUT)
                        break; /* the next call goes to another one */
        }
        free(body);
        return r;
}
