/* SPDX-License-Identifier: MIT */
/* S1: what a client can say on its socket. */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

TestSuite(hostile_messages, .timeout = 120);

static struct private_daemon d;

/* After what was sent: the daemon hangs up, and before that at most refuses. */
static bool is_hung_up(int socket) {
        union wire_message message;
        ssize_t n;

        for (int i = 0; i < 3; i++) {
                n = recv(socket, &message, sizeof(message), 0);
                if (n <= 0)
                        return n == 0 || errno == ECONNRESET;
                if (message.header.type != WIRE_REFUSED)
                        return false;
        }
        return false;
}

/* A good message, one field of which is changed; or any bytes. */
struct bad {
        const char *what;
        enum wire_type type;
        bool attached; /* said by a client that is attached */
        size_t offset, size; /* of the field */
        uint32_t value;
        size_t length; /* other than the type's */
};

static struct wire_hello good_hello(void) {
        return (struct wire_hello){ .header = wire_header_of(WIRE_HELLO, WIRE_VERSION),
                                    .version_min = WIRE_VERSION_MIN,
                                    .version_max = WIRE_VERSION, .lanes = 1 };
}

static struct wire_want good_want(void) {
        return (struct wire_want){ .header = wire_header_of(WIRE_WANT, WIRE_VERSION),
                                   .lane = 0, .count = 1 };
}

#define FIELD(type, field) offsetof(struct type, field), sizeof(((struct type *)NULL)->field)
#define HELLO_WITH(field, value) \
        { "HELLO with " #field " = " #value, WIRE_HELLO, false, FIELD(wire_hello, field), value, 0 }
#define WANT_WITH(field, value) \
        { "WANT with " #field " = " #value, WIRE_WANT, true, FIELD(wire_want, field), value, 0 }

static const struct bad bad_ones[] = {
        { "one byte", WIRE_HELLO, false, 0, 0, 0, 1 },
        { "HELLO less a byte", WIRE_HELLO, false, 0, 0, 0, sizeof(struct wire_hello) - 1 },
        { "HELLO and a byte", WIRE_HELLO, false, 0, 0, 0, sizeof(struct wire_hello) + 1 },
        { "HELLO and more than any message", WIRE_HELLO, false, 0, 0, 0, 4096 },
        { "WANT less a byte", WIRE_WANT, true, 0, 0, 0, sizeof(struct wire_want) - 1 },
        { "WANT and more than any message", WIRE_WANT, true, 0, 0, 0, 4096 },
        { "HELLO of 25 bytes", WIRE_HELLO, false, FIELD(wire_hello, header.length), 25, 25 },
        { "HELLO of 16 bytes", WIRE_HELLO, false, FIELD(wire_hello, header.length), 16, 16 },
        { "WANT of 16 bytes", WIRE_WANT, true, FIELD(wire_want, header.length), 16, 16 },
        HELLO_WITH(header.magic, 1),
        HELLO_WITH(header.length, 0),
        HELLO_WITH(header.length, UINT32_MAX),
        HELLO_WITH(header.length, 23),
        HELLO_WITH(header.reserved, 1),
        HELLO_WITH(header.type, 0),
        HELLO_WITH(header.type, UINT16_MAX),
        HELLO_WITH(header.type, WIRE_WELCOME),
        HELLO_WITH(header.type, WIRE_ACCEPT),
        HELLO_WITH(header.type, WIRE_ANSWER),
        HELLO_WITH(version_min, 0),
        HELLO_WITH(version_min, UINT16_MAX),
        HELLO_WITH(lanes, 0),
        HELLO_WITH(lanes, 3),
        HELLO_WITH(lanes, 128),
        HELLO_WITH(lanes, UINT32_MAX),
        HELLO_WITH(lanes, UINT32_C(1) << 31),
        { "HELLO twice", WIRE_HELLO, true, 0, 0, 0, 0 },
        { "WANT before HELLO", WIRE_WANT, false, 0, 0, 0, 0 },
        { "REFRESH of a client", WIRE_REFRESH, true, 0, 0, 0, 0 },
        { "ACCEPT of a client", WIRE_ACCEPT, true, 0, 0, 0, 0 },
        { "QUERY of a client", WIRE_QUERY, true, 0, 0, 0, 0 },
        { "QUERY less a byte", WIRE_QUERY, false, 0, 0, 0, sizeof(struct wire_query) - 1 },
        { "QUERY and a byte", WIRE_QUERY, false, 0, 0, 0, sizeof(struct wire_query) + 1 },
        { "STATUS, which only the daemon sends", WIRE_STATUS, false, 0, 0, 0,
          sizeof(struct wire_status) },
        { "ACCEPT less a byte", WIRE_ACCEPT, false, 0, 0, 0, sizeof(struct wire_accept) - 1 },
        { "ACCEPT and a byte", WIRE_ACCEPT, false, 0, 0, 0, sizeof(struct wire_accept) + 1 },
        { "ACCEPT of 24 bytes", WIRE_ACCEPT, false, FIELD(wire_accept, header.length), 24, 24 },
        WANT_WITH(lane, 1),
        WANT_WITH(lane, UINT32_MAX),
        WANT_WITH(lane, UINT32_C(1) << 31),
        WANT_WITH(header.length, 0),
};

static size_t compose(const struct bad *bad, uint8_t bytes[4096]) {
        struct wire_hello hello = good_hello();
        struct wire_want want = good_want();
        struct wire_header alone = wire_header_of(bad->type, WIRE_VERSION);

        memset(bytes, 0, 4096);
        if (bad->type == WIRE_HELLO)
                memcpy(bytes, &hello, sizeof(hello));
        else if (bad->type == WIRE_WANT)
                memcpy(bytes, &want, sizeof(want));
        else
                memcpy(bytes, &alone, sizeof(alone));
        memcpy(bytes + bad->offset, &bad->value, bad->size); /* little endian, as the ABI here */
        if (bad->length != 0)
                return bad->length;
        return bad->type == WIRE_HELLO || bad->type == WIRE_WANT ? sizeof(hello) : sizeof(alone);
}

static int say_bad(void *context) {
        const struct bad *bad = context;
        struct raw_client client;
        uint8_t bytes[4096];
        size_t length = compose(bad, bytes);
        int socket;

        if (bad->attached && raw_attach(&d, 1, &client) < 0)
                return 1;
        socket = bad->attached ? client.socket : raw_connect(&d);
        if (socket < 0 || send(socket, bytes, length, MSG_NOSIGNAL) < 0)
                return 2;
        return is_hung_up(socket) ? 0 : 3;
}

/* Red when wire_check() leaves any of its conditions out, or handle_message()
 * one of its states: then the daemon goes on listening (3) or worse. */
Test(hostile_messages, s1_what_is_no_message_ends_the_connection) {
        unsigned before;

        prepare_daemon(&d, UID_DAEMON);
        private_daemon_start(&d);
        before = daemon_descriptors(&d);
        for (size_t i = 0; i < sizeof(bad_ones) / sizeof(bad_ones[0]); i++) {
                cr_expect_eq(attacker_run(UID_STRANGER, say_bad, (void *)&bad_ones[i]), 0, "%s",
                             bad_ones[i].what);
        }
        cr_assert(daemon_lives(&d));
        sfshm_close(private_daemon_open(&d, SFSHM_PARALLEL));
        descriptors_fall_to(&d, before);
        LOG_HAS(&d, "protocol", "not a message of this protocol");
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Truncations of good messages, each byte of them set to each of some values,
 * and noise of every length: on one connection each, in one process. */
static int say_noise(void *context) {
        uint64_t seed = 0x2545f4914f6cdd1d;
        uint8_t bytes[600];

        (void)context;
        for (int i = 0; i < 1500; i++) {
                struct wire_hello hello = good_hello();
                struct wire_want want = good_want();
                size_t length = i < 300 ? (size_t)(i % 24) : sizeof(hello);
                int socket = raw_connect(&d);

                if (socket < 0)
                        return 1;
                memcpy(bytes, &hello, sizeof(hello));
                if (i >= 1200)
                        length = (size_t)(i - 1200) * 2;
                for (size_t b = 0; i >= 300 && b < sizeof(bytes); b++) {
                        seed = seed * 6364136223846793005u + 1442695040888963407u;
                        if (i >= 1200 || (seed >> 33) % sizeof(hello) == 0)
                                bytes[b] = (uint8_t)(seed >> 56);
                }
                (void)send(socket, bytes, length, MSG_NOSIGNAL);
                (void)send(socket, &want, sizeof(want) - (size_t)(i % 8), MSG_NOSIGNAL);
                close(socket);
        }
        return 0;
}

/* Red when message_receive() takes a truncated packet for a whole one and
 * wire_check() does not compare lengths; ASan sees more of it. */
Test(hostile_messages, s1_noise_is_survived) {
        struct arena *arena = arena_new(1, 1 << 20);
        struct honest honest;
        unsigned before;

        prepare_daemon(&d, 0);
        private_daemon_start(&d);
        honest_start(&honest, &d, arena, 0);
        honest_goes_on(&honest, 100);
        before = daemon_descriptors(&d);
        cr_assert_eq(attacker_run(UID_STRANGER, say_noise, NULL), 0);
        honest_goes_on(&honest, 1000);
        sfshm_close(private_daemon_open(&d, 0));
        descriptors_fall_to(&d, before);
        honest_stop(&honest);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/* A packet of nothing reads like an end of file, and is one. */
static int say_nothing(void *context) {
        struct raw_client client;
        int r = 0;

        (void)context;
        if (raw_attach(&d, 1, &client) < 0)
                return 1;
        if (send(client.socket, "", 0, MSG_NOSIGNAL) < 0)
                r = 2;
        return r != 0 || is_hung_up(client.socket) ? r : 3;
}

/* Messages with descriptors: the kernel refuses them, or the daemon closes them. */
static int send_descriptors(void *context) {
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(200 * sizeof(int))];
        } control = { .bytes = { 0 } };
        struct wire_hello hello = good_hello();
        struct iovec part = { .iov_base = &hello, .iov_len = sizeof(hello) };

        (void)context;
        for (int n = 1; n <= 200; n += 13) {
                struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1,
                                         .msg_control = &control,
                                         .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)) };
                struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
                int socket = raw_connect(&d);

                if (socket < 0)
                        return 1;
                rights->cmsg_level = SOL_SOCKET;
                rights->cmsg_type = SCM_RIGHTS;
                rights->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
                for (int i = 0; i < n; i++)
                        memcpy(CMSG_DATA(rights) + (size_t)i * sizeof(int), &socket, sizeof(int));
                if (sendmsg(socket, &header, MSG_NOSIGNAL) < 0) {
                        if (errno != EPERM)
                                return 2;
                } else if (!is_hung_up(socket)) {
                        return 3;
                }
                close(socket);
        }
        return 0;
}

/* Red when message_refuse_descriptors() and close_descriptors() do nothing, both;
 * and when message_receive() takes an empty packet for no packet. */
Test(hostile_messages, s1_nothing_and_descriptors) {
        unsigned before;

        prepare_daemon(&d, 0);
        private_daemon_start(&d);
        sfshm_close(private_daemon_open(&d, 0));
        before = daemon_descriptors(&d);
        cr_expect_eq(attacker_run(UID_STRANGER, say_nothing, NULL), 0);
        cr_expect_eq(attacker_run(UID_STRANGER, send_descriptors, NULL), 0);
        sfshm_close(private_daemon_open(&d, 0));
        descriptors_fall_to(&d, before);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

static int flood(void *context) {
        _Atomic uint64_t *sent = context;
        struct raw_client client;

        if (raw_attach(&d, 1, &client) < 0)
                return 1;
        while (getppid() != 1) {
                struct wire_want want = good_want();

                if (send(client.socket, &want, sizeof(want), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
                        return 2;
                atomic_fetch_add(sent, 1);
        }
        return 0;
}

static bool sent_enough(void *context) {
        return atomic_load((_Atomic uint64_t *)context) >= 500;
}

/* Red when a mute of handle_want() never ends: nothing more is sent; or when the
 * daemon keeps what it was sent (each hint's message, say): its memory grows. */
Test(hostile_messages, s1_a_flood_of_hints_delays_only_its_senders) {
        enum { FLOODERS = 4 };
        struct arena *arena = arena_new(1, 1 << 21);
        _Atomic uint64_t *sent = shared_new();
        pid_t flooders[FLOODERS];
        struct honest honest;
        uint64_t memory __attribute__((unused));
        sfshm *s;

        prepare_daemon(&d, 0);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        honest_start(&honest, &d, arena, 0);
        for (int i = 0; i < FLOODERS; i++)
                flooders[i] = attacker_start(UID_STRANGER, flood, (void *)sent);
        cr_assert(wait_until(sent_enough, (void *)sent, 20000));
        honest_lasts(&honest, 500);
        memory = daemon_memory_kib(&d);
        honest_lasts(&honest, 2000);
        atomic_store(sent, 0);
        cr_expect(wait_until(sent_enough, (void *)sent, 20000), "flooders stay mute for ever");
        s = private_daemon_open(&d, 0); /* newcomers get in, too */
        sfshm_close(s);
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory for a while */
        cr_expect_leq(daemon_memory_kib(&d), memory + 1024);
#endif
        for (int i = 0; i < FLOODERS; i++)
                attacker_kill(flooders[i]);
        honest_stop(&honest);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(sent);
        arena_free(arena);
}
