/* SPDX-License-Identifier: MIT */
#include "libclient/tools/ask.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libclient/tools/place.h"

#define WAIT_MS 5000

static int take_answer(int fd, struct wire_answer *ret) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        union wire_message message;
        ssize_t length;
        int n;

        do
                n = poll(&wait, 1, WAIT_MS);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : -ETIMEDOUT;
        length = recv(fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
        if (length < 0)
                return -errno;
        if (length == 0)
                return -ECONNRESET;
        if ((size_t)length > sizeof(message) || wire_check(&message, (size_t)length) < 0 ||
            message.header.type != WIRE_ANSWER)
                return -EPROTO;
        *ret = message.answer;
        /* whoever listens there must not steer the terminal */
        for (char *c = ret->text; *c != '\0'; c++)
                if (*c < 0x20 || *c == 0x7f)
                        *c = '?';
        return 0;
}

int ask_daemon(const char *path, enum wire_type type, struct wire_answer *ret) {
        struct wire_header message = wire_header_of(type, WIRE_VERSION);
        int fd = place_connect(path), r = 0;

        if (fd < 0)
                return fd;
        if (send(fd, &message, sizeof(message), MSG_NOSIGNAL) < 0)
                r = errno == EPIPE ? -ECONNRESET : -errno;
        if (r == 0)
                r = take_answer(fd, ret);
        close(fd);
        return r;
}
