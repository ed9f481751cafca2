/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the wire codec. With clang: -fsanitize=fuzzer -DSFSHM_LIBFUZZER.
 * Without: a program of its own, `fuzz_wire [INPUTS]`, which makes its inputs
 * from a fixed seed, half of them good messages with a few bytes changed.
 * Built with sanitizers it sees any byte read behind the message.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shm/pages.h"
#include "shm/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
        if (!holds)
                abort();
}

/* What the callers of wire_check() rely on. */
static void examine(const union wire_message *message, size_t size) {
        uint16_t version = 0;

        require(message->header.magic == WIRE_MAGIC && message->header.length == size);
        switch (message->header.type) {
        case WIRE_HELLO:
                require(size == sizeof(message->hello));
                require(message->hello.lanes >= 1 && message->hello.lanes <= LANES_MAX);
                if (wire_agree(&message->hello, &version) == 0)
                        require(version >= message->hello.version_min &&
                                version <= message->hello.version_max &&
                                version >= WIRE_VERSION_MIN && version <= WIRE_VERSION);
                break;
        case WIRE_WELCOME:
                require(size == sizeof(message->welcome));
                require(message->welcome.lanes >= 1 && message->welcome.lanes <= LANES_MAX);
                break;
        case WIRE_REFUSED:
                require(size == sizeof(message->refused) && message->refused.error > 0);
                require(strlen(message->refused.text) < WIRE_REFUSED_TEXT);
                break;
        case WIRE_WANT:
                require(size == sizeof(message->want));
                break;
        case WIRE_REFRESH:
                require(size == sizeof(message->refresh));
                break;
        case WIRE_ACCEPT:
                require(size == sizeof(message->accept));
                break;
        case WIRE_QUERY:
                require(size == sizeof(message->query));
                break;
        case WIRE_STATUS:
                require(size == sizeof(message->status) && message->status.ticking <= 1);
                require(id_layout_check(&message->status.layout) == 0);
                require(strlen(message->status.daemon_version) < WIRE_STATUS_VERSION);
                require(strlen(message->status.shm) < WIRE_STATUS_SHM);
                break;
        default:
                require(message->header.type == WIRE_ANSWER && size == sizeof(message->answer));
                require(message->answer.error >= 0 && message->answer.reserved == 0);
                require(strlen(message->answer.text) < WIRE_ANSWER_TEXT);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* of that size and no more, and aligned as a receiver's buffer is */
        void *copy = malloc(size > 0 ? size : 1);
        int r;

        require(copy != NULL);
        if (size > 0)
                memcpy(copy, data, size);
        r = wire_check(copy, size);
        require(r == 0 || r == -EPROTO);
        if (r == 0)
                examine(copy, size);
        free(copy);
        return 0;
}

#ifndef SFSHM_LIBFUZZER
#include <stdio.h>

#include "tests/support/random.h"

static size_t make_input(uint64_t *state, uint8_t *bytes) {
        struct wire_header header;
        size_t size;

        for (size = 0; size < WIRE_MESSAGE_MAX; size++)
                bytes[size] = (uint8_t)(random_next(state) >> 32);
        if (random_below(state, 2) == 0)
                return random_below(state, WIRE_MESSAGE_MAX + 1);

        header = wire_header_of((enum wire_type)(1 + random_below(state, 9)), WIRE_VERSION);
        memcpy(bytes, &header, sizeof(header));
        if (random_below(state, 2) == 0) /* contents likely to pass */
                memset(bytes + sizeof(header), random_below(state, 2) == 0 ? 0 : 1,
                       WIRE_MESSAGE_MAX - sizeof(header));
        for (uint64_t n = random_below(state, 4); n > 0; n--)
                bytes[random_below(state, 32)] = (uint8_t)(random_next(state) >> 32);
        return header.length;
}

int main(int argc, char **argv) {
        long inputs = argc > 1 ? strtol(argv[1], NULL, 10) : 200000;
        uint8_t bytes[WIRE_MESSAGE_MAX];
        uint64_t state = 20250101;

        for (long i = 0; i < inputs; i++)
                (void)LLVMFuzzerTestOneInput(bytes, make_input(&state, bytes));
        printf("fuzz_wire: %ld inputs, none did harm\n", inputs);
        return 0;
}
#endif
