/* SPDX-License-Identifier: MIT */
/* Messages: every length exact, everything a sender may get wrong refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/pages.h"
#include "shm/wire.h"
#include "tests/support/random.h"

static const enum wire_type types[] = { WIRE_HELLO, WIRE_WELCOME, WIRE_REFUSED, WIRE_WANT,
                                        WIRE_REFRESH, WIRE_ACCEPT, WIRE_ANSWER,
                                        WIRE_QUERY, WIRE_STATUS };
#define N_TYPES (sizeof(types) / sizeof(types[0]))

static union wire_message good(enum wire_type type) {
        union wire_message message;

        memset(&message, 0, sizeof(message));
        message.header = wire_header_of(type, WIRE_VERSION);
        if (type == WIRE_HELLO) {
                message.hello.version_min = 1;
                message.hello.version_max = 3;
                message.hello.lanes = 4;
        } else if (type == WIRE_WELCOME) {
                message.welcome.lanes = 1;
        } else if (type == WIRE_REFUSED) {
                message.refused.error = EDQUOT;
        } else if (type == WIRE_STATUS) {
                message.status.layout = id_layout_default;
        }
        return message;
}

/* Checked in a buffer of just that length, so that a sanitizer sees a byte too many. */
static int check(const void *bytes, size_t length) {
        void *copy = malloc(length > 0 ? length : 1);
        int r;

        memcpy(copy, bytes, length);
        r = wire_check(copy, length);
        free(copy);
        return r;
}

Test(wire, good_messages_pass) {
        for (size_t i = 0; i < N_TYPES; i++) {
                union wire_message message = good(types[i]);

                cr_assert_eq(check(&message, message.header.length), 0, "type %d", types[i]);
                cr_assert_leq(message.header.length, WIRE_MESSAGE_MAX);
        }
}

/* Red when `length` is compared with <= or >= anywhere. */
Test(wire, every_other_length_is_refused) {
        unsigned char bytes[WIRE_MESSAGE_MAX + 1];

        for (size_t i = 0; i < N_TYPES; i++) {
                union wire_message message = good(types[i]);
                uint32_t exact = message.header.length;

                for (uint32_t length = 0; length <= WIRE_MESSAGE_MAX; length++) {
                        memset(bytes, 0, sizeof(bytes));
                        memcpy(bytes, &message, exact);
                        if (length == exact)
                                continue;
                        cr_assert_eq(check(bytes, length), -EPROTO);
                        /* and when the header agrees with the packet */
                        memcpy(bytes + offsetof(struct wire_header, length), &length,
                               sizeof(length));
                        cr_assert_eq(check(bytes, length), -EPROTO);
                        /* and when only the packet is right */
                        cr_assert_eq(check(bytes, exact), -EPROTO);
                }
        }
}

/* Every bit of the header but those of the version decides. */
Test(wire, every_bit_of_the_header_is_checked) {
        for (size_t i = 0; i < N_TYPES; i++) {
                for (unsigned bit = 0; bit < 8 * sizeof(struct wire_header); bit++) {
                        union wire_message message = good(types[i]);
                        uint32_t length = message.header.length;
                        unsigned char *bytes = (unsigned char *)&message;
                        bool version = bit / 8 == 4 || bit / 8 == 5;

                        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
                        cr_assert_eq(check(&message, length), version ? 0 : -EPROTO,
                                     "type %d, bit %u", types[i], bit);
                }
        }
}

Test(wire, lanes_are_a_power_of_two_within_bounds) {
        for (uint64_t lanes = 0; lanes < 300; lanes++) {
                uint32_t tried[] = { (uint32_t)lanes, (uint32_t)(UINT32_MAX - lanes) };

                for (int i = 0; i < 2; i++) {
                        union wire_message hello = good(WIRE_HELLO), welcome = good(WIRE_WELCOME);
                        uint32_t n = tried[i];
                        bool valid = n >= 1 && n <= LANES_MAX && (n & (n - 1)) == 0;

                        hello.hello.lanes = n;
                        welcome.welcome.lanes = n;
                        cr_assert_eq(check(&hello, sizeof(hello.hello)), valid ? 0 : -EPROTO);
                        cr_assert_eq(check(&welcome, sizeof(welcome.welcome)),
                                     valid ? 0 : -EPROTO);
                }
        }
}

Test(wire, hello_versions_are_in_order) {
        union wire_message message = good(WIRE_HELLO);

        message.hello.version_min = 0;
        cr_assert_eq(check(&message, sizeof(message.hello)), -EPROTO);
        message.hello.version_min = 4;
        cr_assert_eq(check(&message, sizeof(message.hello)), -EPROTO);
        message.hello.version_max = 4;
        cr_assert_eq(check(&message, sizeof(message.hello)), 0);
}

Test(wire, refused_text_ends_and_error_is_one) {
        union wire_message message = good(WIRE_REFUSED);

        memset(message.refused.text, 'x', WIRE_REFUSED_TEXT);
        cr_assert_eq(check(&message, sizeof(message.refused)), -EPROTO);
        message.refused.text[WIRE_REFUSED_TEXT - 1] = '\0';
        cr_assert_eq(check(&message, sizeof(message.refused)), 0);
        message.refused.error = 0;
        cr_assert_eq(check(&message, sizeof(message.refused)), -EPROTO);
        message.refused.error = -EDQUOT;
        cr_assert_eq(check(&message, sizeof(message.refused)), -EPROTO);
}

/* Red when contents_valid() does not know the type. */
Test(wire, answer_text_ends_and_error_is_none_or_one) {
        union wire_message message = good(WIRE_ANSWER);

        message.answer.error = EPERM;
        cr_assert_eq(check(&message, sizeof(message.answer)), 0);
        message.answer.error = -EPERM;
        cr_assert_eq(check(&message, sizeof(message.answer)), -EPROTO);
        message.answer.error = 0;
        message.answer.reserved = 1;
        cr_assert_eq(check(&message, sizeof(message.answer)), -EPROTO);
        message.answer.reserved = 0;
        memset(message.answer.text, 'x', WIRE_ANSWER_TEXT);
        cr_assert_eq(check(&message, sizeof(message.answer)), -EPROTO);
        message.answer.text[WIRE_ANSWER_TEXT - 1] = '\0';
        cr_assert_eq(check(&message, sizeof(message.answer)), 0);
}

/* Red when contents_valid() does not know the type. */
Test(wire, a_status_has_ends_and_a_layout) {
        union wire_message message = good(WIRE_STATUS);

        memset(message.status.shm, 'x', WIRE_STATUS_SHM);
        cr_assert_eq(check(&message, sizeof(message.status)), -EPROTO);
        message.status.shm[WIRE_STATUS_SHM - 1] = '\0';
        cr_assert_eq(check(&message, sizeof(message.status)), 0);
        memset(message.status.daemon_version, 'x', WIRE_STATUS_VERSION);
        cr_assert_eq(check(&message, sizeof(message.status)), -EPROTO);
        message.status.daemon_version[WIRE_STATUS_VERSION - 1] = '\0';
        cr_assert_eq(check(&message, sizeof(message.status)), 0);
        message.status.ticking = 2;
        cr_assert_eq(check(&message, sizeof(message.status)), -EPROTO);
        message.status.ticking = 1;
        message.status.layout.tick_bits++;
        cr_assert_eq(check(&message, sizeof(message.status)), -EPROTO);
}

Test(wire, agree_on_the_newest_of_both) {
        struct wire_hello hello = good(WIRE_HELLO).hello;
        uint16_t version = 77;

        hello.version_min = WIRE_VERSION;
        hello.version_max = UINT16_MAX;
        cr_assert_eq(wire_agree(&hello, &version), 0);
        cr_assert_eq(version, WIRE_VERSION);
        hello.version_max = WIRE_VERSION;
        cr_assert_eq(wire_agree(&hello, &version), 0);
        cr_assert_eq(version, WIRE_VERSION);
        version = 77;
        hello.version_min = WIRE_VERSION + 1;
        hello.version_max = WIRE_VERSION + 2;
        cr_assert_eq(wire_agree(&hello, &version), -EPROTO);
        hello.version_min = 0;
        hello.version_max = WIRE_VERSION_MIN - 1;
        cr_assert_eq(wire_agree(&hello, &version), -EPROTO);
        cr_assert_eq(version, 77, "untouched on failure");
}

/* Whatever arrives is good or -EPROTO, and no byte behind it is looked at. */
Test(wire, random_bytes) {
        uint64_t state = 6;

        for (int i = 0; i < 100000; i++) {
                union wire_message message = good(types[random_below(&state, N_TYPES)]);
                unsigned char *bytes = (unsigned char *)&message;
                size_t length = message.header.length;
                int r;

                for (uint64_t n = random_below(&state, 4); n > 0; n--)
                        bytes[random_below(&state, length)] = (unsigned char)random_next(&state);
                if (random_below(&state, 4) == 0)
                        length = random_below(&state, sizeof(message) + 1);
                r = check(&message, length);
                cr_assert(r == 0 || r == -EPROTO);
                if (r == 0)
                        cr_assert_eq(message.header.length, length);
        }
}
