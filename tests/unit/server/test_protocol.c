/* SPDX-License-Identifier: MIT */
/* What a daemon answers before it has worker IDs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/server/message.h"
#include "daemon/server/protocol.h"
#include "shm/clock.h"
#include "shm/wire.h"

static const struct protocol_wait none_free = { CLOCK_REASON_WORKERS, "none are free" };
static struct config config = { .max_clients = 2, .shm = (char *)"/none" };
static struct connections connections;
static struct clients clients;
static struct event_loop loop = EVENT_LOOP_NONE;
static struct protocol protocol = {
        .connections = &connections,
        .clients = &clients,
        .announcer = { .config = &config },
        .wait = &none_free,
};

static void set_up(void) {
        cr_assert_eq(event_loop_open(&loop), 0);
        connections.loop = &loop;
        connections.clients = &clients;
        connections.receive = protocol_receive;
        connections.context = &protocol;
        connections_init(&connections);
}

static void tear_down(void) {
        connections_close(&connections);
        event_loop_close(&loop);
}

TestSuite(protocol, .init = set_up, .fini = tear_down);

/* A peer that has sent the message; its socket. */
static int connect_with(union wire_message *message) {
        int pair[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        cr_assert_eq(message_send(pair[1], message, NULL, 0), 0);
        connections_add(&connections, pair[0], time_ns(CLOCK_BOOTTIME));
        return pair[1];
}

static int say_hello(void) {
        union wire_message message = { .hello = {
                .header = wire_header_of(WIRE_HELLO, WIRE_VERSION),
                .version_min = WIRE_VERSION_MIN,
                .version_max = WIRE_VERSION,
                .lanes = 1,
        } };

        return connect_with(&message);
}

static bool is_refused(int peer, union wire_message *ret) {
        return message_receive(peer, ret) == 0 && ret->header.type == WIRE_REFUSED;
}

/* Red when strangers that ask and wait can use up the descriptors of the daemon. */
Test(protocol, no_more_are_held_than_may_be_clients) {
        int first = say_hello(), second = say_hello(), third = say_hello(), fourth;
        union wire_message answer;

        cr_expect_eq(message_receive(first, &answer), -EAGAIN);
        cr_expect_eq(message_receive(second, &answer), -EAGAIN);
        cr_assert(is_refused(third, &answer));
        cr_expect_eq(answer.refused.error, ETIME);
        cr_expect_str_eq(answer.refused.text, "sfshmd waits for worker IDs: none are free");
        protocol_expire(&protocol, INT64_MAX - 1);
        cr_expect(is_refused(first, &answer));
        fourth = say_hello();
        cr_expect_eq(message_receive(fourth, &answer), -EAGAIN, "there is room again");
        close(first);
        close(second);
        close(third);
        close(fourth);
}

/* Red when the sender of ACCEPT is only hung up on. */
Test(protocol, who_accepts_a_clock_that_is_not_there_hears_why) {
        union wire_message message = { .header = wire_header_of(WIRE_ACCEPT, WIRE_VERSION) };
        int peer = connect_with(&message);

        cr_assert_eq(message_receive(peer, &message), 0);
        cr_assert_eq(message.header.type, WIRE_ANSWER);
        cr_expect_eq(message.answer.error, EBUSY);
        cr_expect_str_eq(message.answer.text, "sfshmd waits for worker IDs, and has no clock yet: "
                                              "none are free");
        close(peer);
}
