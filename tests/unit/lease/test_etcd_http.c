/* SPDX-License-Identifier: MIT */
/* F1: whatever a gateway, or something in its place, answers is refused or an answer. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/capture.h"
#include "tests/support/private_daemon.h"
#include "tests/support/scratch.h"
#include "tests/unit/support/fake_etcd.h"

#define RANGE "/v3/kv/range"
#define SHORT_NS INT64_C(300000000)
#define NOTHING "{" HEADER "}" /* a list without keys */

TestSuite(etcd_http, .init = fake_etcd_begin, .fini = fake_etcd_end, .timeout = 120);

static void say(const char *bytes) {
        fake_http_say(fake_etcd_server, RANGE, FAKE_HTTP_CUT, bytes, strlen(bytes));
}

/* Red for `{}` when etcd's header is not asked for: then that is a cluster without
 * keys, and a host that reads its own record there counts as robbed for ever. */
Test(etcd_http, what_is_no_answer_is_none) {
        static const char *const bodies[] = { "", "garbage", "{", "[]", "null", "42", "\"text\"",
                                              "{}", "{\"header\":{}}", "{\"header\":7}",
                                              "{\"header\":{\"cluster_id\":7,\"revision\":\"5\"}}",
                                              NOTHING "trailing", "{" HEADER ",\"error\":null}",
                                              "\xff\xfe", "{\"count\":\"0\"}",
                                              "<html>log in here</html>" };

        for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
                fake_http_json(fake_etcd_server, RANGE, 200, bodies[i]);
                cr_expect_eq(fake_etcd_list(), -EIO, "%s", bodies[i]);
        }
        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        cr_expect_eq(fake_etcd_list(), 0);
        cr_assert_contains(capture_take(), "serves again");
}

Test(etcd_http, other_statuses_are_failures_whatever_the_body) {
        static const int statuses[] = { 201, 204, 206, 301, 302, 307, 400, 404, 408, 429, 500, 502,
                                        503, 504 };

        for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
                fake_http_json(fake_etcd_server, RANGE, statuses[i], NOTHING);
                cr_expect_eq(fake_etcd_list(), -EIO, "%d", statuses[i]);
        }
}

/* Another host's keys are not ours. Red with CURLOPT_FOLLOWLOCATION. */
Test(etcd_http, a_redirect_is_not_followed) {
        struct fake_http *other = fake_http_new();
        char text[300];

        fake_http_json(other, RANGE, 200, NOTHING);
        snprintf(text, sizeof(text), "HTTP/1.1 307 There\r\nLocation: %s" RANGE "\r\n"
                 "Content-Length: 0\r\n\r\n", fake_http_url(other));
        say(text);
        cr_expect_eq(fake_etcd_list(), -EIO);
        cr_expect_eq(fake_http_count(other, RANGE), 0);
        fake_http_free(other);
}

/* The three shapes of an error, and plain text: the log has etcd's words. */
Test(etcd_http, errors_say_what_etcd_said) {
        static const struct {
                int status, r;
                const char *body, *words;
        } cases[] = {
                { 503, -EIO, "{\"error\":\"no leader one\",\"message\":\"no leader one\",\"code\":14}",
                  "HTTP status 503, no leader one" },
                { 500, -EIO, "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"no leader "
                  "two\"}}", "HTTP status 500, no leader two" },
                { 200, -EIO, "{\"error\":{\"grpc_code\":14,\"message\":\"in a stream\"}}",
                  "HTTP status 200, in a stream" },
                { 502, -EIO, "plain text", "HTTP status 502, no JSON, or only a part of it, but "
                  "\"plain text\": name etcd itself in etcd.endpoints" },
                { 403, -EACCES, "{\"error\":\"etcdserver: permission denied\",\"code\":7}",
                  "read and write below etcd.prefix" },
                { 400, -EACCES, "{\"error\":\"etcdserver: user name is empty\",\"code\":3}",
                  "set etcd.username and etcd.password_file" },
                { 200, -EACCES, "{\"error\":{\"grpc_code\":7,\"message\":\"no\"}}",
                  "HTTP status 200, no" },
                { 401, -EACCES, "{}", "HTTP status 401" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                fake_etcd_connect(fake_http_url(fake_etcd_server)); /* each is told once */
                fake_http_json(fake_etcd_server, RANGE, cases[i].status, cases[i].body);
                cr_expect_eq(fake_etcd_list(), cases[i].r, "%s", cases[i].body);
                cr_assert_contains(capture_take(), cases[i].words);
        }
}

Test(etcd_http, what_is_cut_short_is_none) {
        static const char *const answers[] = {
                "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" NOTHING,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"h", "\r\n\r\n\r\n",
                NOTHING, "HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" NOTHING,
        };

        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
                say(answers[i]);
                cr_expect_eq(fake_etcd_list(), -EIO, "%s", answers[i]);
        }
}

/* The bound is 32 MiB. Red without ANSWER_MAX: then it is taken. */
Test(etcd_http, an_answer_without_end_is_given_up) {
        size_t size = (32u << 20) + 4096;
        char *text = malloc(size);
        int n = snprintf(text, size, "HTTP/1.1 200 OK\r\n\r\n" NOTHING);

        memset(text + n, ' ', size - (size_t)n);
        fake_http_say(fake_etcd_server, RANGE, FAKE_HTTP_CUT, text, size);
        cr_expect_eq(fake_etcd_list(), -EIO);
        cr_assert_not_null(strstr(capture_take(), "longer than 32 MiB"));
        fake_http_say(fake_etcd_server, RANGE, FAKE_HTTP_CUT, text, size / 2);
        cr_expect_eq(fake_etcd_list(), 0);
        free(text);
}

/* The time-out is our own: etcd's answer may take its seven seconds and more. */
Test(etcd_http, one_that_never_answers_is_not_waited_for) {
        struct fake_http *other = fake_http_new();
        char endpoints[160];
        int64_t begun_ns;
        unsigned asked;

        fake_etcd_options.timeout_ns = SHORT_NS;
        fake_etcd_connect(fake_http_url(fake_etcd_server));
        fake_http_say(fake_etcd_server, RANGE, FAKE_HTTP_HANG, "", 0);
        begun_ns = test_monotonic_ns();
        cr_expect_eq(fake_etcd_list(), -ETIMEDOUT);
        cr_expect_geq(test_monotonic_ns() - begun_ns, SHORT_NS - 2000000);
        cr_assert_contains(capture_take(), "does not serve kv/range: ");

        /* and is left alone for a while, then asked again */
        snprintf(endpoints, sizeof(endpoints), "%s,%s", fake_http_url(fake_etcd_server),
                 fake_http_url(other));
        fake_etcd_connect(endpoints);
        fake_http_json(other, RANGE, 200, NOTHING);
        asked = fake_http_count(fake_etcd_server, RANGE);
        while (fake_http_count(fake_etcd_server, RANGE) ==
               asked) { /* which one is first is drawn */
                fake_etcd_connect(endpoints);
                (void)fake_etcd_list();
        }
        for (int i = 0; i < 20; i++)
                (void)fake_etcd_list(); /* in time, if the machine is not slow */
        cr_expect_leq(fake_http_count(fake_etcd_server, RANGE), asked + 4);
        asked = fake_http_count(fake_etcd_server, RANGE);
        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        fake_http_free(other);
        begun_ns = test_monotonic_ns();
        while (fake_etcd_list() != 0)
                cr_assert_lt(test_monotonic_ns() - begun_ns, INT64_C(60000000000));
        cr_expect_gt(fake_http_count(fake_etcd_server, RANGE), asked);
}

/* A commit is sent once: sent again it could meet itself. One which has reached
 * nobody goes to the next. Red when `once` is not looked at. */
Test(etcd_http, a_commit_goes_to_one_endpoint_that_answers) {
        struct fake_http *other = fake_http_new();
        struct coordinator_commit commit = { .n_checks = 0 };
        char endpoints[200];

        snprintf(endpoints, sizeof(endpoints), "%s %s", fake_http_url(fake_etcd_server),
                 fake_http_url(other));
        fake_etcd_connect(endpoints);
        fake_http_json(fake_etcd_server, "/v3/kv/txn", 503, "{}");
        fake_http_json(other, "/v3/kv/txn", 503, "{}");
        cr_expect_eq(etcd_calls.commit(&fake_etcd, &commit), -EIO);
        cr_expect_eq(fake_http_count(fake_etcd_server, "/v3/kv/txn") +
                             fake_http_count(other, "/v3/kv/txn"),
                     1);
        fake_http_free(other);
        fake_http_json(fake_etcd_server, "/v3/kv/txn", 200, "{" HEADER ",\"succeeded\":true}");
        for (int i = 0; i < 4; i++) {
                fake_etcd_connect(endpoints);
                cr_expect_eq(etcd_calls.commit(&fake_etcd, &commit), 0);
        }
}

/* Nor by libcurl, which asks again by itself where a connection that was kept ends
 * without an answer: etcd may have done it and died. Red with CURLOPT_POSTFIELDS. */
Test(etcd_http, a_commit_without_an_answer_is_not_sent_again) {
        struct coordinator_commit commit = { .n_checks = 0 };

        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        cr_expect_eq(fake_etcd_list(), 0);
        fake_http_say(fake_etcd_server, "/v3/kv/txn", FAKE_HTTP_CUT, "", 0);
        cr_expect_eq(etcd_calls.commit(&fake_etcd, &commit), -EIO);
        cr_expect_eq(fake_http_count(fake_etcd_server, "/v3/kv/txn"), 1);
        cr_assert_contains(capture_take(), "the connection ended without an answer");
        fake_http_json(fake_etcd_server, "/v3/kv/txn", 200, "{" HEADER ",\"succeeded\":true}");
        cr_expect_eq(etcd_calls.commit(&fake_etcd, &commit), 0);
}

#define OTHER "{\"header\":{\"cluster_id\":\"8\",\"revision\":\"3\"}}"

static void two_endpoints(struct fake_http *other) {
        char endpoints[160];

        snprintf(endpoints, sizeof(endpoints), "%s,%s", fake_http_url(fake_etcd_server),
                 fake_http_url(other));
        fake_etcd_connect(endpoints);
}

/* Two single nodes are not a cluster: each would give out worker ID 0. A call that is sent
 * again comes to the other one. Red without etcd_endpoints_belongs(). */
Test(etcd_http, endpoints_of_two_clusters_are_refused) {
        struct fake_http *other = fake_http_new();
        bool first;

        two_endpoints(other);
        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        fake_http_json(other, RANGE, 200, OTHER);
        cr_expect_eq(fake_etcd_list(), 0);
        first = fake_http_count(fake_etcd_server, RANGE) > 0;
        /* it fails once, and is asked again after the other one */
        fake_http_first(first ? fake_etcd_server : other, RANGE, 400,
                        "{\"error\":\"etcdserver: permission denied\",\"code\":7}");
        (void)fake_etcd_list();
        cr_assert_contains(capture_take(), "etcd.endpoints must name the members of one");
        cr_expect_eq(fake_etcd_list(), 0);
        fake_http_free(other);
}

/* As after a restore from a snapshot: its revision may be lower. Red while the first ID that
 * was seen counts for ever, and while revisions of two clusters are compared. */
Test(etcd_http, another_cluster_counts_once_all_that_answer_are_of_it) {
        struct fake_http *other = fake_http_new();

        two_endpoints(other);
        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        fake_http_json(other, RANGE, 200, NOTHING);
        cr_expect_eq(fake_etcd_list(), 0);
        fake_http_json(fake_etcd_server, RANGE, 200, OTHER);
        fake_http_json(other, RANGE, 200, OTHER);
        cr_expect_eq(fake_etcd_list(), 0);
        cr_assert_contains(capture_take(), "is of cluster 8 now, of 7 before");
        cr_expect_eq(fake_etcd_list(), 0);
        fake_http_free(other);
}

/* ---- headers, users */

static char password_file[SCRATCH_MAX];

static void with_user(const char *password, size_t size) {
        int fd = scratch_file(password_file, "password");

        cr_assert_eq(write(fd, password, size), (ssize_t)size);
        close(fd);
        fake_etcd_options.username = "sfshm";
        fake_etcd_options.password_file = password_file;
        fake_etcd_connect(fake_http_url(fake_etcd_server));
}

/* libcurl would wait a second for leave; from 1 KiB or 1 MiB on, as its release wants. */
Test(etcd_http, a_large_request_does_not_wait_for_leave) {
        size_t size = 3u << 19;
        char *text = malloc(size);
        json_t *answer = NULL;

        memset(text, 'x', size - 1);
        text[size - 1] = '\0';
        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        cr_expect_eq(etcd_http_call(fake_etcd.http, "kv/range", json_pack("{s:s}", "key", text),
                                    false, &answer), 0);
        json_decref(answer);
        free(text);
        text = fake_http_last(fake_etcd_server, RANGE);
        cr_assert_null(strstr(text, "\r\nExpect:"));
        free(text);
}

/* With "Bearer" it would be no token. */
Test(etcd_http, headers_are_as_the_gateway_wants_them) {
        char *text;

        with_user("secret\r\nmore", 12);
        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        fake_http_json(fake_etcd_server, "/v3/auth/authenticate", 200,
                       "{" HEADER ",\"token\":\"abc.1\"}");
        cr_expect_eq(fake_etcd_list(), 0);
        cr_expect_eq(fake_etcd_list(), 0);
        cr_expect_eq(fake_http_count(fake_etcd_server, "/v3/auth/authenticate"), 1);
        text = fake_http_last(fake_etcd_server, RANGE);
        cr_assert_contains(text, "POST /v3/kv/range HTTP/1.1\r\n");
        cr_assert_contains(text, "\r\nAuthorization: abc.1\r\n");
        free(text);
        text = fake_http_last(fake_etcd_server, "/v3/auth/authenticate");
        cr_assert_contains(text, "{\"name\": \"sfshm\", \"password\": \"secret\"}");
        cr_assert_null(strstr(text, "Authorization"), "an old token there is refused");
        free(text);
        unlink(password_file);
}

/* As simple tokens do after five minutes. Red when it is not asked for another. */
Test(etcd_http, a_token_that_ended_is_renewed) {
        static const char *const ends[] = {
                "{\"error\":\"etcdserver: invalid auth token\",\"code\":16}",
                "{\"error\":\"etcdserver: revision of auth store is old\",\"code\":3}" };

        with_user("secret", 6);
        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        fake_http_json(fake_etcd_server, "/v3/auth/authenticate", 200,
                       "{" HEADER ",\"token\":\"first\"}");
        cr_expect_eq(fake_etcd_list(), 0);
        fake_http_json(fake_etcd_server, "/v3/auth/authenticate", 200,
                       "{" HEADER ",\"token\":\"second\"}");
        for (unsigned i = 0; i < 2; i++) {
                char *text;

                fake_http_first(fake_etcd_server, RANGE, i == 0 ? 401 : 400, ends[i]);
                cr_expect_eq(fake_etcd_list(), 0);
                cr_expect_eq(fake_http_count(fake_etcd_server, "/v3/auth/authenticate"), 2 + i);
                text = fake_http_last(fake_etcd_server, RANGE);
                cr_assert_contains(text, "\r\nAuthorization: second\r\n");
                free(text);
        }
        /* never without end */
        fake_http_json(fake_etcd_server, RANGE, 401, ends[0]);
        cr_expect_eq(fake_etcd_list(), -EACCES);
        cr_expect_eq(fake_http_count(fake_etcd_server, "/v3/auth/authenticate"), 4);
        unlink(password_file);
}

/* Red without drop_credentials(): the token, and the connection with the certificate of
 * then, go on. */
Test(etcd_http, credentials_are_read_anew_when_told) {
        with_user("secret", 6);
        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        fake_http_json(fake_etcd_server, "/v3/auth/authenticate", 200,
                       "{" HEADER ",\"token\":\"first\"}");
        cr_expect_eq(fake_etcd_list(), 0);
        etcd_http_refresh(fake_etcd.http);
        cr_expect_eq(fake_etcd_list(), 0);
        cr_expect_eq(fake_etcd_list(), 0);
        cr_expect_eq(fake_http_count(fake_etcd_server, "/v3/auth/authenticate"), 2);
        unlink(password_file);
}

/* An election is no wrong password: then the start would be given up for ever. */
Test(etcd_http, only_a_refusal_by_etcd_is_a_wrong_password) {
        with_user("secret", 6);
        fake_http_json(fake_etcd_server, "/v3/auth/authenticate", 503,
                       "{\"error\":\"no leader\",\"code\":14}");
        cr_expect_eq(fake_etcd_list(), -EIO);
        fake_http_json(fake_etcd_server, "/v3/auth/authenticate", 200, "{" HEADER "}");
        cr_expect_eq(fake_etcd_list(), -EIO);
        fake_http_json(fake_etcd_server, "/v3/auth/authenticate", 200,
                       "{" HEADER ",\"token\":\"a\\r\\nb\"}");
        cr_expect_eq(fake_etcd_list(), -EIO);
        fake_http_json(fake_etcd_server, "/v3/auth/authenticate", 400,
                       "{\"error\":\"etcdserver: authentication "
                       "failed, invalid user ID or password\",\"code\":3}");
        cr_expect_eq(fake_etcd_list(), -EACCES);
        cr_assert_contains(capture_take(), "correct etcd.username, or the first line of");
        cr_expect_eq(fake_http_count(fake_etcd_server, RANGE), 0);
        unlink(password_file);
}

/* A password that is cut short is another one. */
Test(etcd_http, a_password_that_cannot_be_read_is_not_guessed) {
        char text[256];

        memset(text, 'x', sizeof(text));
        with_user(text, sizeof(text));
        cr_expect_eq(fake_etcd_list(), -EACCES);
        cr_assert_contains(capture_take(), "longer than a password may be");
        cr_assert_eq(truncate(password_file, 0), 0);
        fake_etcd_connect(fake_http_url(fake_etcd_server));
        cr_expect_eq(fake_etcd_list(), -EACCES);
        cr_assert_contains(capture_take(), "is empty");
        unlink(password_file);
        fake_etcd_connect(fake_http_url(fake_etcd_server));
        cr_expect_eq(fake_etcd_list(), -EACCES);
        cr_assert_contains(capture_take(), "cannot read etcd.password_file");
        cr_expect_eq(fake_http_count(fake_etcd_server, "/v3/auth/authenticate"), 0);
}
