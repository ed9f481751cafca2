/* SPDX-License-Identifier: MIT */
/* sfshm-exporter(8): each path in each state of the daemon, and what it refuses. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/support/exporter.h"
#include "tests/support/private_daemon.h"

static struct private_daemon d;
static struct exporter e;
static struct exporter_reply reply;

static void set_up(void) {
        unsetenv("SFSHM_SOCKET");
        private_daemon_prepare(&d);
}

static void clean(void) {
        exporter_stop(&e);
        private_daemon_remove(&d);
}
TestSuite(exporter, .init = set_up, .fini = clean);

static void start(void) {
        private_daemon_start(&d);
        exporter_start(&e, &d, "");
}

static bool says(const char *path, int status, const char *body) {
        exporter_get(&e, path, &reply);
        return reply.status == status && strncmp(reply.body, body, strlen(body)) == 0;
}

static void expect(const char *path, int status, const char *body) {
        cr_expect(says(path, status, body), "%s, not %d %s: %s", path, status, body, reply.text);
}

static bool has(const char *part) {
        return strstr(reply.text, part) != NULL;
}

static void expect_clean_metrics(const char *up) {
        FILE *judge;

        exporter_get(&e, "/metrics", &reply);
        cr_expect_eq(reply.status, 200);
        cr_expect(has("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "%s",
                  reply.text);
        cr_expect(has(up), "no %s in %s", up, reply.text);
        if (system("command -v promtool >/dev/null") != 0)
                return;
        judge = popen("promtool check metrics", "w");
        cr_assert_not_null(judge);
        fputs(reply.body, judge);
        cr_expect_eq(pclose(judge), 0, "%s", reply.body);
}

Test(exporter, serving) {
        start();
        UNTIL(says("/healthz", 200, "ok\n"));
        UNTIL(says("/readyz", 200, "serving: "));
        expect_clean_metrics("\nsfshm_up 1\n");
}

/* Red when the sample is taken from memory alone: that looks idle. */
Test(exporter, hung) {
        start();
        private_daemon_signal(&d, SIGSTOP, false);
        UNTIL(says("/healthz", 504, "hung: "));
        cr_expect(has("does not answer (no answer within 2 s"), "%s", reply.text);
        expect("/readyz", 504, "hung: ");
        expect_clean_metrics("\nsfshm_up 0\n");
        private_daemon_signal(&d, SIGCONT, false);
        UNTIL(says("/readyz", 200, "serving: "));
}

Test(exporter, dead) {
        start();
        private_daemon_signal(&d, SIGKILL, true);
        UNTIL(says("/healthz", 502, "dead: "));
        expect("/readyz", 502, "dead: ");
        cr_expect(has("its ticker died"), "%s", reply.text);
        expect_clean_metrics("\nsfshm_up 0\n");
        private_daemon_start(&d);
        UNTIL(says("/readyz", 200, "serving: "));
}

Test(exporter, absent) {
        exporter_start(&e, &d, "");
        expect("/healthz", 502, "dead: ");
        expect("/readyz", 502, "dead: ");
        expect_clean_metrics("sfshm_up 0\n");
}

/* What was lost may have issued IDs up to the fence. */
Test(exporter, waiting) {
        start();
        cr_assert_eq(private_daemon_next(&d, &(uint64_t){ 0 }), 0);
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_lose_segments(&d);
        private_daemon_start(&d);
        UNTIL(says("/readyz", 503, "waiting: "));
        cr_expect(has("IDs up to the fence may exist"), "%s", reply.text);
        cr_expect(has("\r\nRetry-After: "), "%s", reply.text);
        expect("/healthz", 200, "ok\n");
        expect_clean_metrics("\nsfshm_up 1\n");
}

/* Red when a sample is taken for each request: they would take it 2 s each. */
Test(exporter, many_wait_for_one_sample) {
        int64_t begun_ns;

        start();
        UNTIL(says("/readyz", 200, "serving: "));
        private_daemon_signal(&d, SIGSTOP, false);
        begun_ns = test_monotonic_ns();
        for (int i = 0; i < 100; i++)
                if (fork_bound() == 0)
                        _exit(says("/readyz", 504, "hung: ") || has("serving: ") ? 0 : 1);
        expect_children(100);
        cr_log_info("100 took %lld ms", (long long)(test_monotonic_ns() - begun_ns) / 1000000);
        cr_expect_lt(test_monotonic_ns() - begun_ns, INT64_C(100000000000));
        private_daemon_signal(&d, SIGCONT, false);
}

/* ---- requests */

static void expect_refused(const char *request, size_t size, int status) {
        exporter_say(&e, request, size, &reply);
        cr_expect_eq(reply.status, status, "%.60s: %s", request, reply.text);
        cr_expect_null(strstr(reply.text, "sfshm_up"));
}

Test(exporter, requests) {
        static const char head[] = "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                          post[] = "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nx=1";

        start();
        exporter_say(&e, head, sizeof(head) - 1, &reply);
        cr_expect_eq(reply.status, 200);
        cr_expect(has("\r\nConnection: close\r\n") && *reply.body == '\0', "%s", reply.text);
        expect_refused(post, sizeof(post) - 1, 405);
        cr_expect(has("\r\nAllow: GET, HEAD\r\n"), "%s", reply.text);
        expect("/metric", 404, "there are /, /metrics, ");
        expect("/metrics/../x", 404, "");
        expect("/metrics?name=x", 200, "");
}

/* None of them ends the exporter, or holds it up. */
Test(exporter, malformed_requests) {
        static char longest[65536] = "GET /metrics HTTP/1.1\r\nHost: x\r\nX: ";
        static const char body[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nx=1",
                          nul[] = "GET /metrics\0 HTTP/1.1\r\n\r\n";

        start();
        memset(longest + strlen(longest), 'x', sizeof(longest) - strlen(longest));
        expect_refused(longest, sizeof(longest), 431);
        expect_refused("\r\n\r\n\r\n\r\n garbage\r\n\r\n", 20, 0);
        expect_refused("GET /metrics\r\n\r\n", 16, 400);
        expect_refused("GET /metrics HTTP/1.1\r\n\r\n", 25, 400);
        expect_refused("GET /metrics HTTP/9.9\r\n\r\n", 25, 505);
        expect_refused(body, sizeof(body) - 1, 0);
        exporter_say(&e, nul, sizeof(nul) - 1, &reply);
        srandom(1);
        for (int i = 0; i < 200; i++) {
                char noise[512];

                for (size_t n = 0; n < sizeof(noise); n++)
                        noise[n] = (char)random();
                memcpy(noise + sizeof(noise) - 4, "\r\n\r\n", 4);
                exporter_say(&e, noise, sizeof(noise), &reply);
        }
        UNTIL(says("/readyz", 200, "serving: "));
}
