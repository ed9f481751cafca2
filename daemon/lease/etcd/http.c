/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/password_file.h"
#include "daemon/lease/etcd/answer.h"
#include "daemon/lease/etcd/endpoints.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

#define ANSWER_MAX (32u << 20)
#define TOKEN_MAX 4096u /* a signed one may be long */

struct etcd_http {
        struct etcd_http_options options;
        CURL *curl;
        struct etcd_endpoints endpoints;
        char token[TOKEN_MAX];                   /* "": none */
        char authorization[TOKEN_MAX + 20];      /* the header with it */
        char message[ETCD_MESSAGE];
        bool once;                               /* the request under way is sent once */
        int64_t until_ns;                        /* see etcd_http_hurry() */
        bool stale;                              /* token and connections are not used any more */
};

_Static_assert(ETCD_MESSAGE >= CURL_ERROR_SIZE, "room for libcurl's message");

struct answer {
        char *text;
        size_t size, room;
};

/* Room for n more, and a NUL. */
static bool widen_answer(struct answer *answer, size_t n) {
        size_t room = answer->size + n + 1;
        char *text;

        if (room <= answer->room)
                return true;
        room = room < 2 * answer->room ? 2 * answer->room : room;
        text = realloc(answer->text, room);
        if (text == NULL)
                return false;
        answer->text = text;
        answer->room = room;
        return true;
}

static size_t receive_answer(char *bytes, size_t size, size_t n, void *context) {
        struct answer *answer = context;

        (void)size; /* 1, curl promises */
        if (n > ANSWER_MAX - answer->size || !widen_answer(answer, n))
                return 0;
        memcpy(answer->text + answer->size, bytes, n);
        answer->size += n;
        answer->text[answer->size] = '\0';
        return n;
}

struct body {
        const char *text;
        size_t size, taken;
};

static size_t give_body(char *to, size_t size, size_t n, void *context) {
        struct body *body = context;
        size_t left = body->size - body->taken, taken = left < size * n ? left : size * n;

        memcpy(to, body->text + body->taken, taken);
        body->taken += taken;
        return taken;
}

/* libcurl repeats a request by itself when a reused connection ends without an answer,
 * although etcd may have carried it out. A body that is read, and cannot be read again, is
 * sent once. */
static void set_body(struct etcd_http *http, struct body *body) {
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE, (long)body->size);
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, http->once ? NULL : body->text);
        curl_easy_setopt(http->curl, CURLOPT_READDATA, body);
}

/* No signals, as there are threads, and no proxy, whatever the environment says. */
static void set_up_curl(struct etcd_http *http) {
        const struct etcd_http_options *o = &http->options;

        curl_easy_setopt(http->curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(http->curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, http->message);
        curl_easy_setopt(http->curl, CURLOPT_WRITEFUNCTION, receive_answer);
        curl_easy_setopt(http->curl, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(http->curl, CURLOPT_TCP_NODELAY, 1L);
        /* HTTP/2, which TLS would negotiate, has failure modes of its own */
        curl_easy_setopt(http->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(http->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        /* else a key with a pass phrase asks for it at the terminal */
        curl_easy_setopt(http->curl, CURLOPT_KEYPASSWD, "");
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
                return log_failure(ENOMEM, EVENT_ETCD, "no memory for the connection to etcd");
        http->options = *options;
        etcd_endpoints_take(&http->endpoints, options->endpoints);
        if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
                http->curl = curl_easy_init();
        if (http->curl == NULL) {
                etcd_http_free(http);
                return log_failure(ENOMEM, EVENT_ETCD, "libcurl cannot be initialised");
        }
        set_up_curl(http);
        *ret = http;
        return 0;
}

void etcd_http_hurry(struct etcd_http *http, int64_t until_ns) {
        http->until_ns = until_ns;
}

static long timeout_ms(const struct etcd_http *http) {
        int64_t ns = http->options.timeout_ns;
        int64_t left_ns = http->until_ns - time_ns(CLOCK_MONOTONIC);

        if (http->until_ns != 0 && left_ns < ns)
                ns = left_ns;
        return ns > NS_PER_MS ? (long)(ns / NS_PER_MS) : 1; /* 0 would be none at all */
}

void etcd_http_refresh(struct etcd_http *http) {
        http->stale = true;
}

/* libcurl keeps connections with the certificate of then, and the CA for a day: another
 * handle reads the files anew. */
static void drop_credentials(struct etcd_http *http) {
        CURL *fresh = http->stale ? curl_easy_init() : NULL;

        if (fresh == NULL)
                return;
        curl_easy_cleanup(http->curl);
        http->curl = fresh;
        set_up_curl(http);
        http->token[0] = '\0';
        http->stale = false;
}

struct etcd_http *etcd_http_free(struct etcd_http *http) {
        if (http == NULL)
                return NULL;
        if (http->curl != NULL)
                curl_easy_cleanup(http->curl);
        free(http);
        return NULL;
}

/* Nothing has reached etcd. */
static bool never_sent(CURLcode code) {
        return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
               code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
               code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE;
}

static int judge_failure(struct etcd_http *http, CURLcode code) {
        const char *what =
                etcd_foreign_remedy(code, strncmp(http->endpoints.list[0].url, "https", 5) == 0,
                                    http->options.cert_file[0] != '\0');
        size_t n, room = sizeof(http->message) - strlen(what);

        if (code == CURLE_WRITE_ERROR)
                snprintf(http->message, sizeof(http->message), "its answer is longer than %u MiB, "
                         "or there is no memory for it", ANSWER_MAX >> 20);
        if (http->message[0] == '\0')
                snprintf(http->message, sizeof(http->message), "%s", curl_easy_strerror(code));
        n = strnlen(http->message, room - 1);
        snprintf(http->message + n, sizeof(http->message) - n, "%s", what);
        if (code == CURLE_GOT_NOTHING)
                http->token[0] = '\0'; /* perhaps a refusal of it: some releases only hang up */
        if (code == CURLE_OPERATION_TIMEDOUT)
                return -ETIMEDOUT;
        return *what == ':' ? -EACCES : -EIO;
}

static int check_cluster(struct etcd_http *http, size_t at, const json_t *answer) {
        const char *cluster = etcd_answer_cluster(answer);

        if (etcd_endpoints_belongs(&http->endpoints, at, cluster))
                return 0;
        snprintf(http->message, sizeof(http->message), "it is of cluster %.23s, and another "
                 "endpoint of cluster %s: etcd.endpoints must name the members of one", cluster,
                 http->endpoints.cluster);
        return -EIO;
}

static int judge_answer(struct etcd_http *http, size_t at, const struct answer *answer,
                        json_t **ret) {
        struct etcd_answer said = { .text = answer->text != NULL ? answer->text : "" };
        json_t *object = NULL;
        int r;

        curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &said.status);
        curl_easy_getinfo(http->curl, CURLINFO_CONTENT_TYPE, &said.type);
        curl_easy_getinfo(http->curl, CURLINFO_REDIRECT_URL, &said.redirect);
        said.type = said.type != NULL ? said.type : "";
        said.redirect = said.redirect != NULL ? said.redirect : "";
        r = etcd_answer_judge(&said, &object, http->message);
        if (r == 0)
                r = check_cluster(http, at, object);
        if (r < 0)
                json_decref(object);
        else
                *ret = object;
        return r;
}

static struct curl_slist *make_headers(const struct etcd_http *http) {
        struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");

        /* without this header a large request waits a second for "100 Continue" */
        headers = curl_slist_append(headers, "Expect:");
        return http->token[0] == '\0' ? headers : curl_slist_append(headers, http->authorization);
}

static int perform_request(struct etcd_http *http, size_t at, const char *path, const char *body,
                           bool *ret_sent, json_t **ret) {
        char url[sizeof(http->endpoints.list[0].url) + 64];
        struct curl_slist *headers = make_headers(http);
        struct body sent = { .text = body, .size = strlen(body) };
        struct answer answer = { .size = 0 };
        CURLcode code;
        int r;

        snprintf(url, sizeof(url), "%s/v3/%s", http->endpoints.list[at].url, path);
        curl_easy_setopt(http->curl, CURLOPT_URL, url);
        curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
        set_body(http, &sent);
        curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, &answer);
        curl_easy_setopt(http->curl, CURLOPT_TIMEOUT_MS, timeout_ms(http));
        http->message[0] = '\0';
        http->endpoints.list[at].cluster[0] = '\0';
        code = curl_easy_perform(http->curl);
        *ret_sent |= !never_sent(code);
        r = code == CURLE_OK ? judge_answer(http, at, &answer, ret) : judge_failure(http, code);
        curl_slist_free_all(headers);
        free(answer.text);
        return r;
}

/* ---- user and password */

static char *authenticate_body(struct etcd_http *http, int *ret_error) {
        char password[PASSWORD_SIZE] = "", *body = NULL;
        json_t *request = NULL;

        *ret_error = password_file_read("etcd.password_file", http->options.password_file, password,
                                        http->message, sizeof(http->message));
        if (*ret_error == 0) {
                request = json_pack("{s:s, s:s}", "name", http->options.username, "password",
                                    password);
                body = request != NULL ? json_dumps(request, 0) : NULL;
                *ret_error = body != NULL ? 0 : -ENOMEM;
        }
        explicit_bzero(password, sizeof(password));
        json_decref(request);
        return body;
}

/* The file is read each time, so that it may change. */
static int authenticate(struct etcd_http *http, size_t at) {
        json_t *answer = NULL;
        const char *token;
        bool sent = false;
        int r;
        char *body = authenticate_body(http, &r);

        http->token[0] = '\0';
        if (body == NULL)
                return r;
        r = perform_request(http, at, "auth/authenticate", body, &sent, &answer);
        explicit_bzero(body, strlen(body));
        free(body);
        token = json_string_value(json_object_get(answer, "token"));
        if (r == 0 && (token == NULL || *token == '\0' || strlen(token) >= TOKEN_MAX ||
                       strpbrk(token, "\r\n") != NULL)) {
                snprintf(http->message, sizeof(http->message), "it gives a token of no use");
                r = -EIO;
        }
        if (r == 0) {
                strcpy(http->token, token);
                snprintf(http->authorization, sizeof(http->authorization), "Authorization: %s",
                         token); /* not "Bearer" */
        }
        json_decref(answer);
        return r;
}

/* A token expires; then once more with a new one. */
static int ask_endpoint(struct etcd_http *http, size_t at, const char *path, const char *body,
                        bool *ret_sent, json_t **ret) {
        bool with_user = http->options.username[0] != '\0', fresh = false;
        int r = 0;

        *ret_sent = false;
        if (with_user && http->token[0] == '\0') {
                fresh = true;
                r = authenticate(http, at);
        }
        if (r == 0)
                r = perform_request(http, at, path, body, ret_sent, ret);
        if (r == -ECANCELED && with_user && !fresh) {
                r = authenticate(http, at);
                if (r == 0)
                        r = perform_request(http, at, path, body, ret_sent, ret);
        }
        return r == -ECANCELED ? -EACCES : r;
}

/* ---- all endpoints */

static void count_breakers(const struct etcd_http *http) {
        /* relaxed: a number for display */
        atomic_store_explicit(http->options.breakers,
                              (int64_t)etcd_endpoints_left_out(&http->endpoints),
                              memory_order_relaxed);
}

static void tell_failure(struct etcd_http *http, size_t at, const char *path, int error) {
        int64_t now_ns = time_ns(CLOCK_MONOTONIC);

        /* relaxed: a number for display */
        atomic_fetch_add_explicit(http->options.errors, 1, memory_order_relaxed);
        if (error == -EACCES) {
                etcd_http_refresh(http);
                etcd_endpoints_refuses(&http->endpoints, at, path, http->message);
                return;
        }
        etcd_endpoints_fails(&http->endpoints, at, path, http->message, now_ns);
        etcd_endpoints_trip(&http->endpoints, at, now_ns);
        count_breakers(http);
}

static void tell_success(struct etcd_http *http, size_t at, const char *path) {
        etcd_endpoints_serves(&http->endpoints, at, path, time_ns(CLOCK_MONOTONIC));
        count_breakers(http);
}

int etcd_http_call(struct etcd_http *http, const char *path, json_t *request, bool once,
                   json_t **ret) {
        char *body = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
        int r = body != NULL ? -EIO : -ENOMEM;

        json_decref(request);
        http->once = once;
        for (size_t i = 0; body != NULL && i < http->endpoints.n; i++) {
                size_t at = etcd_endpoints_choose(&http->endpoints,
                                                  time_ns(CLOCK_MONOTONIC));
                bool sent = false;

                drop_credentials(http);
                r = ask_endpoint(http, at, path, body, &sent, ret);
                if (r == 0 || r == -EAGAIN)
                        tell_success(http, at, path);
                if (r == 0 || r == -EAGAIN || r == -ENOMEM)
                        break;
                tell_failure(http, at, path, r);
                if ((once && sent) || r == -ETIMEDOUT)
                        break; /* the next call goes to another endpoint */
        }
        free(body);
        return r;
}
