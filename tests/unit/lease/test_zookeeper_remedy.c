/* SPDX-License-Identifier: MIT */
/* What libzookeeper says of a connection, and servers of a request, has a remedy. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#include "daemon/lease/zookeeper/handle.h"
#include "daemon/lease/zookeeper/remedy.h"
#include "tests/support/capture.h"

#define SOCKET "Socket 10.0.0.1:2181 zk retcode=-4, errno="

Test(zookeeper_remedy, a_connection_has_one) {
        static const struct {
                const char *message, *words;
        } cases[] = {
                { "getaddrinfo: Name or service not known", "correct zookeeper.hosts" },
                { SOCKET "111(Connection refused): server refused to accept the client",
                  "start ZooKeeper" },
                { SOCKET "101(Network is unreachable): connect() call failed", "PrivateNetwork=" },
                { SOCKET "112(Host is down): failed while receiving a server response",
                  "maxClientCnxns" },
                { SOCKET "11(Resource temporarily unavailable): failed while receiving a server "
                  "response", "no quorum" },
                { SOCKET "32(Broken pipe): failed while flushing send queue", "ended the connection" },
                { "Socket 10.0.0.1:2181 zk retcode=-7, errno=110(Connection timed out): connection "
                  "to 10.0.0.1:2181 timed out (exceeded timeout by 0ms)", "client ports" },
                { "no connection in time", NULL },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const char *what = zookeeper_remedy_connection(cases[i].message);

                cr_assert_eq(what != NULL, cases[i].words != NULL, "%s", cases[i].message);
                if (what != NULL)
                        cr_assert_contains(what, cases[i].words);
        }
}

Test(zookeeper_remedy, an_answer_has_one) {
        static const int codes[] = { ZNOAUTH, ZAUTHFAILED, ZINVALIDACL, ZNOTREADONLY, -125,
                                     ZTHROTTLEDOP, ZUNIMPLEMENTED, ZSESSIONCLOSEDREQUIRESASLAUTH };

        for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
                cr_expect_eq(zookeeper_remedy_answer(codes[i])[0], ':', "%d", codes[i]);
        cr_expect_str_eq(zookeeper_remedy_answer(ZNONODE), "");
}

static _Atomic int64_t errors;

static unsigned count_events(const char *text) {
        unsigned n = 0;

        for (; (text = strstr(text, "event=")) != NULL; text++)
                n++;
        return n;
}

/* The words of the library, "temporarily unavailable", say nothing. Red when they are logged. */
Test(zookeeper_remedy, what_is_logged_is_the_remedy) {
        struct zookeeper_session s = { .hosts = (char[]){ "10.0.0.1:2181" },
                                       .options.errors = &errors };
        const char *text;

        capture_begin();
        zookeeper_handle_take_message("2026-12-01 00:00:00,000:1(0x1):ZOO_ERROR@f@1: " SOCKET
                                      "11(Resource temporarily unavailable): failed while "
                                      "receiving a server response\n");
        for (int i = 0; i < 5; i++)
                (void)zookeeper_handle_fail(&s, -5, "no server takes a connection");
        text = capture_take();
        cr_assert_contains(text, "no server takes a connection: 10.0.0.1:2181 the server ended");
        cr_assert_null(strstr(text, "temporarily unavailable"), "%s", text);
        cr_expect_eq(count_events(text), 1, "%s", text);
        cr_expect_eq(atomic_load(&errors), 5);
        for (int i = 0; i < 5; i++)
                zookeeper_handle_answered(&s, 0, false);
        text = capture_take();
        cr_assert_contains(text, "event=zookeeper-back");
        cr_expect_eq(count_events(text), 1, "%s", text);
        (void)zookeeper_handle_fail(&s, -5, "no connection in time");
        cr_assert_contains(capture_take(), "does not serve: no connection in time; retrying");
}

/* A commit that no server takes, while everything else is answered: one line, not two for
 * each renewal. Red when any answer ends the incident. */
Test(zookeeper_remedy, a_commit_that_fails_is_back_with_a_commit) {
        struct zookeeper_session s = { .hosts = (char[]){ "a:1" }, .options.errors = &errors };

        capture_begin();
        for (int i = 0; i < 5; i++) {
                (void)zookeeper_handle_fail(&s, -5, "the connection ended");
                s.failing_multi = true;
                zookeeper_handle_answered(&s, 0, false);
                (void)zookeeper_handle_refused(&s, ZNOAUTH, "/sfshm/contract");
        }
        cr_expect_eq(count_events(capture_take()), 2);
        zookeeper_handle_answered(&s, 0, true);
        cr_assert_contains(capture_take(), "event=zookeeper-back");
        zookeeper_handle_admitted(&s);
        zookeeper_handle_admitted(&s);
        cr_expect_eq(count_events(capture_take()), 1);
}
