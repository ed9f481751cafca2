/* SPDX-License-Identifier: MIT */
/* What an operator tells the daemon, and what is answered. Who may: see
 * tests/integration/clock/test_clock_accept.c. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/server/control.h"
#include "shm/wire.h"
#include "tests/support/capture.h"

static struct server_parts parts;
static struct attach attach = { .parts = &parts };
static struct connections connections;
static int peer = -1;

static struct connection *connect_peer(void) {
        struct connection *connection;
        int sockets[2];

        connections_init(&connections, &attach, epoll_create1(0));
        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sockets), 0);
        peer = sockets[1];
        connection = connections_add(&connections, sockets[0], 0);
        cr_assert_not_null(connection);
        return connection;
}

/* In the timekeeper's place. */
static int accepted;
static size_t long_text;

int timekeeper_accept(struct timekeeper *keeper, char text[TIMEKEEPER_TEXT]) {
        cr_assert_eq(keeper, &attach.keeper);
        snprintf(text, TIMEKEEPER_TEXT, "a step of 3 s is followed");
        if (long_text > 0) {
                memset(text, 'x', long_text);
                text[long_text] = '\0';
        }
        return accepted;
}

static struct wire_answer answer(void) {
        union wire_message message;
        ssize_t n = recv(peer, &message, sizeof(message), 0);

        cr_assert_eq(n, (ssize_t)sizeof(message.answer));
        cr_assert_eq(wire_check(&message, (size_t)n), 0);
        cr_assert_eq(message.header.type, WIRE_ANSWER);
        cr_assert_eq(recv(peer, &message, sizeof(message), 0), 0, "it is not hung up");
        return message.answer;
}

/* Red when the sentence gets lost, or the connection stays. */
Test(control, what_was_accepted_is_answered_and_logged) {
        struct wire_answer answered;

        capture_begin();
        cr_assert_eq(control_accept(&connections, connect_peer(), 0), 0);
        answered = answer();
        cr_expect_eq(answered.error, 0);
        cr_expect_str_eq(answered.text, "a step of 3 s is followed");
        cr_assert_contains(capture_take(), "asked to accept the wall clock: a step of 3 s");
        connections_reap(&connections);
}

/* Red when the error is sent as it is returned: no ANSWER has a negative one. */
Test(control, what_was_not_accepted_is_answered_whole) {
        struct wire_answer answered;

        accepted = -EALREADY;
        long_text = 3000;
        cr_assert_eq(control_accept(&connections, connect_peer(), 0), -EALREADY);
        answered = answer();
        cr_expect_eq(answered.error, EALREADY);
        cr_expect_eq(strlen(answered.text), WIRE_ANSWER_TEXT - 1);
        connections_reap(&connections);
}

/* Who asked and went away has asked, and the connection ends. Red when the failure to
 * answer passes for the answer. */
Test(control, a_peer_that_is_gone_harms_nobody) {
        struct connection *connection = connect_peer();

        close(peer);
        cr_assert_eq(control_accept(&connections, connection, 0), 0);
        cr_assert_eq(connection->state, CONNECTION_DEAD);
        connections_reap(&connections);
}
