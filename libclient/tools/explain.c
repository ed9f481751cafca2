/* SPDX-License-Identifier: MIT */
#include "libclient/tools/explain.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shm/clock.h"
#include "shm/pages.h"
#include "shm/wire.h"

#define WAIT_MS 1000

static int hello(const char *path) {
        struct wire_hello message = {
                .header = wire_header_of(WIRE_HELLO, WIRE_VERSION),
                .version_min = WIRE_VERSION_MIN,
                .version_max = WIRE_VERSION,
                .lanes = 1,
        };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        if (strlen(path) >= sizeof(address.sun_path))
                return -1;
        memcpy(address.sun_path, path, strlen(path));
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd >= 0 && (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
                        send(fd, &message, sizeof(message), MSG_NOSIGNAL) < 0)) {
                close(fd);
                return -1;
        }
        return fd;
}

/* A message and the descriptors that came with it, WIRE_WELCOME_FDS of them or none. */
static bool receive(int fd, union wire_message *ret, int ret_fds[WIRE_WELCOME_FDS]) {
        union {
                char bytes[CMSG_SPACE(sizeof(int) * WIRE_WELCOME_FDS)];
                struct cmsghdr align;
        } control;
        struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
        struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&header) : NULL;

        if (c != NULL && c->cmsg_len == CMSG_LEN(sizeof(int) * WIRE_WELCOME_FDS))
                memcpy(ret_fds, CMSG_DATA(c), sizeof(int) * WIRE_WELCOME_FDS);
        return n > 0 && wire_check(ret, (size_t)n) == 0;
}

/* A stranger's text may not steer the terminal. */
static void refusal(const struct wire_refused *refused, char text[EXPLAIN_TEXT]) {
        snprintf(text, EXPLAIN_TEXT, "the daemon says: %s", refused->text);
        for (char *c = text; *c != '\0'; c++)
                if (*c < 0x20 || *c > 0x7e)
                        *c = '?';
}

/* Every segment begins with a magic and its version. */
static bool other_version(int fd, const char *name, uint32_t understood, char text[EXPLAIN_TEXT]) {
        struct {
                char magic[8];
                uint32_t version;
        } start;

        if (fd < 0 || pread(fd, &start, sizeof(start), 0) != (ssize_t)sizeof(start) ||
            start.version == understood)
                return false;
        snprintf(text, EXPLAIN_TEXT, "the daemon's %s has version %u, this release understands %u: "
                 "install matching releases", name, start.version, understood);
        return true;
}

bool explain(const char *socket, char text[EXPLAIN_TEXT]) {
        struct pollfd answer = { .fd = hello(socket), .events = POLLIN };
        int fds[WIRE_WELCOME_FDS] = { -1, -1, -1 };
        union wire_message message;
        bool known = false;

        if (answer.fd < 0)
                return false;
        if (poll(&answer, 1, WAIT_MS) == 1 && receive(answer.fd, &message, fds)) {
                known = message.header.type == WIRE_REFUSED;
                if (known)
                        refusal(&message.refused, text);
                else
                        known = other_version(fds[0], "clock segment", CLOCK_VERSION, text) ||
                                other_version(fds[1], "grants page", PAGES_VERSION, text);
        }
        for (unsigned i = 0; i < WIRE_WELCOME_FDS; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        close(answer.fd);
        return known;
}
