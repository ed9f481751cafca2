/* SPDX-License-Identifier: MIT */
/* The gateways of etcd 3.4, 3.5 and 3.6, byte by byte, and what answers in place of one: each
 * has a text that says what happened and what to do. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/capture.h"
#include "tests/support/scratch.h"
#include "tests/unit/support/fake_etcd.h"

#define RANGE "/v3/kv/range"
#define TXN "/v3/kv/txn"
#define GRANT "/v3/lease/grant"
#define KEEP "/v3/lease/keepalive"
#define AUTHENTICATE "/v3/auth/authenticate"
#define S INT64_C(1000000000)
#define NOTHING "{" HEADER "}"

TestSuite(etcd_gateways, .init = fake_etcd_begin, .fini = fake_etcd_end, .timeout = 120);

/* What each release says beside the fields that it must. The gateway of 3.6 has no field
 * `error`, and the old name of the code in a stream is gone. */
static const struct gateway {
        const char *name;
        bool second;         /* of the second version of grpc-gateway */
        const char *details; /* of an error */
        const char *grant, *range, *failed;
} gateways[] = {
        { "3.4", false, "", "", "", "" },
        { "3.5", false, ",\"details\":[]", "", "", "" },
        { "3.6", true, "", "", "", "" },
        { "3.6 with all fields", true, ", \"details\":[]", ",\"error\":\"\"",
          ",\"kvs\":[],\"more\":false,\"count\":\"0\"", ",\"succeeded\":false,\"responses\":[]" },
};

#define EACH_GATEWAY(g) \
        for (const struct gateway *g = gateways; g < gateways + sizeof(gateways) / sizeof(gateways[0]); g++)

static const char *error_of(const struct gateway *g, const char *what, int code) {
        static char text[1000];

        if (g->second)
                snprintf(text, sizeof(text), "{\"code\":%d, \"message\":\"%s\"%s}", code, what,
                         g->details);
        else
                snprintf(text, sizeof(text), "{\"error\":\"%s\",\"message\":\"%s\",\"code\":%d%s}",
                         what, what, code, g->details);
        return text;
}

static void say_ended(const struct gateway *g) {
        char text[500];

        snprintf(text, sizeof(text), "{\"error\":{\"%s\":5,\"message\":\"etcdserver: requested lease "
                 "not found\"%s}}", g->second ? "code" : "grpc_code", g->details);
        fake_http_json(fake_etcd_server, KEEP, 200, text);
}

/* As Go's server sends an error: in chunks, with a trailer. */
static void say_error(const struct gateway *g, const char *path, int status, const char *what,
                      int code) {
        const char *body = error_of(g, what, code);
        char text[2000];
        int n = snprintf(text, sizeof(text), "HTTP/1.1 %d Said\r\nContent-Type: application/json\r\n"
                         "Trailer: Grpc-Trailer-Content-Type\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "%zx\r\n%s\r\n0\r\nGrpc-Trailer-Content-Type: application/grpc\r\n\r\n",
                         status, strlen(body), body);

        fake_http_say(fake_etcd_server, path, FAKE_HTTP_ANSWER, text, (size_t)n);
}

static int commit(void) {
        struct coordinator_write write = { "region/0/used", "x", false, -1 };

        return etcd_calls.commit(&fake_etcd, &(struct coordinator_commit){ .writes = &write,
                                                                           .n_writes = 1 });
}

static void live_a_life(const struct gateway *g) {
        int64_t ttl_ns = -1;
        char text[500];

        snprintf(text, sizeof(text), "{" HEADER "%s}", g->range);
        fake_http_json(fake_etcd_server, RANGE, 200, text);
        cr_expect_eq(fake_etcd_list(), 0, "%s", g->name);
        snprintf(text, sizeof(text), "{" HEADER ",\"ID\":\"77\",\"TTL\":\"6\"%s}", g->grant);
        fake_http_json(fake_etcd_server, GRANT, 200, text);
        cr_expect_eq(etcd_calls.session_begin(&fake_etcd, 6 * S, &ttl_ns), 0, "%s", g->name);
        fake_http_json(fake_etcd_server, TXN, 200, "{" HEADER ",\"succeeded\":true,\"responses\":[]}");
        cr_expect_eq(commit(), 0, "%s", g->name);
        snprintf(text, sizeof(text), "{" HEADER "%s}", g->failed);
        fake_http_json(fake_etcd_server, TXN, 200, text);
        cr_expect_eq(commit(), -EAGAIN, "%s", g->name);
        say_ended(g);
        cr_expect_eq(etcd_calls.session_keep(&fake_etcd, &ttl_ns), -ESTALE, "%s", g->name);
        /* nothing was written in a session that has ended, and etcd is not away. Red with -EIO:
         * then the outcome counts as unknown */
        say_error(g, TXN, 404, "etcdserver: requested lease not found", 5);
        cr_expect_eq(commit(), -EAGAIN, "%s", g->name);
        cr_expect_str_eq(capture_take(), "");
}

Test(etcd_gateways, each_release_is_understood) {
        EACH_GATEWAY(g) {
                fake_etcd_connect(fake_http_url(fake_etcd_server));
                live_a_life(g);
        }
}

/* Red for 3.6 when only `error` is looked at. */
Test(etcd_gateways, each_release_says_why_it_refuses) {
        static const struct {
                int status, code, r;
                const char *what, *words;
        } cases[] = {
                { 429, 8, -EIO, "etcdserver: mvcc: database space exceeded",
                  "'compact REVISION' (the revision of 'endpoint status -w json'), "
                  "'defrag --cluster', 'alarm disarm'" },
                { 503, 8, -EIO, "etcdserver: mvcc: database space exceeded", "quota is used up" },
                { 429, 8, -EIO, "etcdserver: too many requests", "a faster disk" },
                { 503, 14, -EIO, "etcdserver: no leader", "start those that are down" },
                { 504, 4, -EIO, "etcdserver: request timed out", "check how many run" },
                { 503, 14, -EIO, "etcdserver: request timed out, possibly due to connection lost",
                  "check how many run" },
                { 500, 15, -EIO, "etcdserver: corrupt cluster", "replace the damaged member" },
                { 400, 3, -EIO, "etcdserver: too many operations in txn request", "--max-txn-ops" },
                { 400, 3, -EIO, "etcdserver: request is too large", "--max-request-bytes" },
                { 503, 14, -EIO, "etcdserver: rpc not supported for learner", "leave it out of" },
                { 404, 5, -EIO, "Not Found", "run etcd 3.4 or later" },
                { 403, 7, -EACCES, "etcdserver: permission denied", "below etcd.prefix" },
                { 400, 9, -EACCES, "etcdserver: authentication is not enabled",
                  "leave out etcd.username" },
                { 400, 3, -EACCES, "etcdserver: user name is empty", "set etcd.username" },
        };

        EACH_GATEWAY(g)
                for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                        fake_etcd_connect(fake_http_url(fake_etcd_server));
                        say_error(g, RANGE, cases[i].status, cases[i].what, cases[i].code);
                        cr_expect_eq(fake_etcd_list(), cases[i].r, "%s: %s", g->name, cases[i].what);
                        cr_assert_contains(capture_take(), cases[i].words);
                }
}

static char password_file[SCRATCH_MAX];

static void with_user(void) {
        int fd = scratch_file(password_file, "password");

        cr_assert_eq(write(fd, "secret", 6), 6);
        close(fd);
        fake_etcd_options.username = "sfshm";
        fake_etcd_options.password_file = password_file;
        fake_etcd_connect(fake_http_url(fake_etcd_server));
        fake_http_json(fake_etcd_server, AUTHENTICATE, 200, "{" HEADER ",\"token\":\"first\"}");
        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        cr_assert_eq(fake_etcd_list(), 0);
}

Test(etcd_gateways, each_release_says_that_a_token_has_ended) {
        with_user();
        EACH_GATEWAY(g) {
                unsigned before = fake_http_count(fake_etcd_server, AUTHENTICATE);

                fake_http_first(fake_etcd_server, RANGE, 401,
                                error_of(g, "etcdserver: invalid auth token", 16));
                cr_expect_eq(fake_etcd_list(), 0, "%s", g->name);
                cr_expect_eq(fake_http_count(fake_etcd_server, AUTHENTICATE), before + 1);
        }
        unlink(password_file);
}

/* Some releases of 3.4 and 3.6 panic over the answer and hang up. Red when the token is kept:
 * then no request is ever answered again. */
Test(etcd_gateways, a_token_that_is_refused_by_hanging_up_is_renewed) {
        with_user();
        fake_http_say(fake_etcd_server, RANGE, FAKE_HTTP_CUT, "", 0);
        cr_expect_eq(fake_etcd_list(), -EIO);
        cr_assert_contains(capture_take(), "check etcd.username");
        fake_http_json(fake_etcd_server, RANGE, 200, NOTHING);
        cr_expect_eq(fake_etcd_list(), 0);
        cr_expect_eq(fake_http_count(fake_etcd_server, AUTHENTICATE), 2);
        unlink(password_file);
}

/* ---- what is no gateway */

#define PAGE "<!DOCTYPE html>\n<html><head><title>"

Test(etcd_gateways, what_answers_in_its_place_is_named) {
        static const struct {
                int status, r;
                const char *headers, *body, *words, *more;
        } cases[] = {
                { 404, -EIO, "", "404 page not found\n", "there is no gateway at this port",
                  "client port of etcd 3.4 or later, which runs with --enable-grpc-gateway" },
                { 404, -EIO, "", "Not Found\n", "there is no gateway at this port", "3.4 or later" },
                { 404, -EIO, "Content-Type: text/html\r\n", PAGE "404 Not Found</title>",
                  "an HTML page \"404 Not Found\", as of a proxy", "there is no gateway" },
                { 502, -EIO, "Content-Type: text/html\r\n", PAGE "\n502 Bad Gateway</title>",
                  "HTTP status 502, an HTML page \"502 Bad Gateway\", as of a proxy",
                  "name etcd itself in etcd.endpoints" },
                { 503, -EIO, "", "<html><h1>Service Temporarily Unavailable</h1></html>",
                  "HTTP status 503, an HTML page, as of a proxy", "name etcd itself" },
                { 200, -EIO, "Content-Type: text/html\r\n", "log in here", "an HTML page, as of",
                  "name etcd itself" },
                { 200, -EIO, "Content-Type: text/html\r\n", PAGE, "an HTML page, as of",
                  "name etcd itself" },
                { 200, -EIO, "", "{\"header\":{\"cluster_id\":\"7\"", "only a part of it",
                  "name etcd itself" },
                { 200, -EIO, "", "", "an empty answer", "name etcd itself" },
                { 200, -EIO, "", "{}", "another program listens there", "name etcd itself" },
                { 307, -EIO, "Location: http://other:1/v3/kv/range\r\n", "",
                  "it points to http://other:1/v3/kv/range, which is not followed", "" },
                { 400, -EIO, "", "Client sent an HTTP request to an HTTPS server.\n",
                  "it wants TLS: say https://", "" },
                { 400, -EIO, "", PAGE "400 The plain HTTP request was sent to HTTPS port</title>",
                  "it wants TLS: say https://", "" },
                { 421, -EIO, "", "the Host header was unrecognized", "--host-whitelist", "" },
                { 405, -EIO, "", "Method Not Allowed", "there is no gateway at this port", "" },
                { 407, -EACCES, "", PAGE "Login</title>", "a proxy wants a login", "" },
                { 401, -EACCES, "", PAGE "Login</title>", "an HTML page \"Login\"", "" },
                { 403, -EACCES, "", "no", "name etcd itself", "" },
                { 413, -EIO, "", PAGE "Too Large</title>", "raise its limit", "" },
                { 415, -EIO, "", "invalid gRPC request content-type \"\"",
                  "only gRPC is spoken at this port", "--listen-client-http-urls" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char text[1000];
                const char *said;
                int n = snprintf(text, sizeof(text), "HTTP/1.1 %d Said\r\n%sContent-Length: %zu\r\n"
                                 "\r\n%s", cases[i].status, cases[i].headers, strlen(cases[i].body),
                                 cases[i].body);

                fake_etcd_connect(fake_http_url(fake_etcd_server));
                fake_http_say(fake_etcd_server, RANGE, FAKE_HTTP_ANSWER, text, (size_t)n);
                cr_expect_eq(fake_etcd_list(), cases[i].r, "%s", text);
                said = capture_take();
                cr_assert_contains(said, cases[i].words);
                cr_assert_contains(said, cases[i].more);
        }
}

/* An HTTP/2 server begins with a frame of its own, whatever it was sent. */
Test(etcd_gateways, a_port_of_grpc_alone_is_named) {
        static const char settings[] = "\0\0\6\4\0\0\0\0\0\0\5\0\0@\0";

        fake_http_say(fake_etcd_server, RANGE, FAKE_HTTP_CUT, settings, sizeof(settings) - 1);
        cr_expect_eq(fake_etcd_list(), -EIO);
        cr_assert_contains(capture_take(), "the port of etcd's --listen-client-http-urls");
}

/* Where no program listens, or one that says nothing. */
Test(etcd_gateways, silence_has_a_remedy) {
        char nobody[64];

        fake_http_say(fake_etcd_server, RANGE, FAKE_HTTP_CUT,
                      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", 40);
        cr_expect_eq(fake_etcd_list(), -EIO);
        cr_assert_contains(capture_take(), "ended the answer too early");
        fake_etcd_options.timeout_ns = S / 4;
        fake_etcd_connect(fake_http_url(fake_etcd_server));
        fake_http_say(fake_etcd_server, RANGE, FAKE_HTTP_HANG, "", 0);
        cr_expect_eq(fake_etcd_list(), -ETIMEDOUT);
        cr_assert_contains(capture_take(), "check the network and firewalls between");
        fake_etcd_connect("https://localhost:1");
        cr_expect_eq(fake_etcd_list(), -EIO);
        cr_assert_contains(capture_take(), "start etcd there, correct etcd.endpoints");
        fake_etcd_connect("http://no-such-host.invalid:2379");
        cr_expect_lt(fake_etcd_list(), 0);
        cr_assert_contains(capture_take(), "does not serve");
        snprintf(nobody, sizeof(nobody), "https%s", fake_http_url(fake_etcd_server) + strlen("http"));
        fake_etcd_options.timeout_ns = LONG_NS;
        fake_http_say(fake_etcd_server, FAKE_HTTP_TLS, FAKE_HTTP_CUT, "HTTP/1.1 400 Bad\r\n\r\n", 20);
        fake_etcd_connect(nobody);
        cr_expect_lt(fake_etcd_list(), 0);
        cr_assert_contains(capture_take(), "if it has no TLS, say http://");
}
