/* SPDX-License-Identifier: MIT */
#include "shm/wire.h"

#include <errno.h>
#include <string.h>

#include "shm/pages.h"

/* 0: no such message. */
static size_t length_of(uint16_t type) {
        static const size_t lengths[] = {
                [WIRE_HELLO] = sizeof(struct wire_hello),
                [WIRE_WELCOME] = sizeof(struct wire_welcome),
                [WIRE_REFUSED] = sizeof(struct wire_refused),
                [WIRE_WANT] = sizeof(struct wire_want),
                [WIRE_REFRESH] = sizeof(struct wire_refresh),
                [WIRE_ACCEPT] = sizeof(struct wire_accept),
                [WIRE_ANSWER] = sizeof(struct wire_answer),
                [WIRE_QUERY] = sizeof(struct wire_query),
                [WIRE_STATUS] = sizeof(struct wire_status),
        };

        return type < sizeof(lengths) / sizeof(lengths[0]) ? lengths[type] : 0;
}

struct wire_header wire_header_of(enum wire_type type, uint16_t version) {
        return (struct wire_header){
                .magic = WIRE_MAGIC,
                .version = version,
                .type = (uint16_t)type,
                .length = (uint32_t)length_of((uint16_t)type),
        };
}

static bool lanes_valid(uint32_t lanes) {
        return lanes >= 1 && lanes <= LANES_MAX && (lanes & (lanes - 1)) == 0;
}

static bool contents_valid(const union wire_message *message) {
        switch (message->header.type) {
        case WIRE_HELLO:
                return message->hello.version_min >= 1 &&
                       message->hello.version_min <= message->hello.version_max &&
                       lanes_valid(message->hello.lanes);
        case WIRE_WELCOME:
                return lanes_valid(message->welcome.lanes);
        case WIRE_REFUSED:
                return message->refused.error > 0 &&
                       memchr(message->refused.text, '\0', WIRE_REFUSED_TEXT) != NULL;
        case WIRE_ANSWER:
                return message->answer.error >= 0 && message->answer.reserved == 0 &&
                       memchr(message->answer.text, '\0', WIRE_ANSWER_TEXT) != NULL;
        case WIRE_STATUS:
                return message->status.ticking <= 1 &&
                       id_layout_check(&message->status.layout) == 0 &&
                       memchr(message->status.daemon_version, '\0', WIRE_STATUS_VERSION) != NULL &&
                       memchr(message->status.shm, '\0', WIRE_STATUS_SHM) != NULL;
        default:
                return true;
        }
}

int wire_check(const union wire_message *message, size_t length) {
        size_t expected;

        if (length < sizeof(message->header) || message->header.magic != WIRE_MAGIC ||
            message->header.length != length || message->header.reserved != 0)
                return -EPROTO;
        expected = length_of(message->header.type);
        if (expected == 0 || expected != length || !contents_valid(message))
                return -EPROTO;
        return 0;
}

int wire_agree(const struct wire_hello *hello, uint16_t *ret) {
        uint16_t newest = hello->version_max < WIRE_VERSION ? hello->version_max : WIRE_VERSION;

        if (newest < WIRE_VERSION_MIN || newest < hello->version_min)
                return -EPROTO;
        *ret = newest;
        return 0;
}
