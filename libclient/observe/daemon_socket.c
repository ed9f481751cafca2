/* SPDX-License-Identifier: MIT */
#include "libclient/observe/daemon_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "libclient/observe/segments.h"
#include "shm/clock.h"
#include "shm/pages.h"

#define ANSWER_WITHIN_MS 5000
#define WELCOME_WITHIN_MS 5000 /* a HELLO may be held for 4 s */

const char *daemon_socket_path(const char *given) {
        const char *environment = secure_getenv("SFSHM_SOCKET");

        if (given != NULL)
                return given;
        return environment != NULL && environment[0] != '\0' ? environment
                                                             : DAEMON_SOCKET_DEFAULT;
}

/* A connection on which `message` was sent, or -errno. Never waits. */
static int connect_and_send(const char *path, const void *message, size_t size) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
            send(fd, message, size, MSG_NOSIGNAL) >= 0)
                return fd;
        r = errno == EPIPE ? -ECONNRESET : -errno;
        close(fd);
        return r;
}

/* Receives a message and its descriptors, WIRE_WELCOME_FDS of them or none. */
static int receive(int fd, int within_ms, union wire_message *ret, int ret_fds[WIRE_WELCOME_FDS]) {
        union {
                char bytes[CMSG_SPACE(sizeof(int) * WIRE_WELCOME_FDS)];
                struct cmsghdr align;
        } control;
        struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
        struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof(control) };
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        const struct cmsghdr *c;
        ssize_t length;
        int n;

        do
                n = poll(&wait, 1, within_ms);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                return n < 0 ? -errno : -ETIMEDOUT;
        length = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (length <= 0)
                return length < 0 ? -errno : -ECONNRESET;
        c = CMSG_FIRSTHDR(&header);
        if (c != NULL && c->cmsg_len == CMSG_LEN(sizeof(int) * WIRE_WELCOME_FDS))
                memcpy(ret_fds, CMSG_DATA(c), sizeof(int) * WIRE_WELCOME_FDS);
        if ((header.msg_flags & MSG_TRUNC) != 0 || wire_check(ret, (size_t)length) < 0)
                return -EPROTO;
        return 0;
}

static void close_all(const int fds[WIRE_WELCOME_FDS]) {
        for (unsigned i = 0; i < WIRE_WELCOME_FDS; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
}

/* A stranger who listens at the socket must not control the terminal. */
static void make_plain(char *text) {
        for (; *text != '\0'; text++)
                if (*text < 0x20 || *text > 0x7e)
                        *text = '?';
}

/* Sends `message` to `path` and receives the answer. The caller closes its descriptors. */
static int exchange(const char *path, const void *message, size_t size, int within_ms,
                    union wire_message *ret, int ret_fds[WIRE_WELCOME_FDS]) {
        int fd = connect_and_send(path, message, size), r;

        if (fd < 0)
                return fd;
        r = receive(fd, within_ms, ret, ret_fds);
        close(fd);
        return r;
}

int daemon_socket_ask(const char *path, enum wire_type type, struct wire_answer *ret) {
        struct wire_header request = wire_header_of(type, WIRE_VERSION);
        int fds[WIRE_WELCOME_FDS] = { -1, -1, -1 };
        union wire_message message;
        int r = exchange(path, &request, sizeof(request), ANSWER_WITHIN_MS, &message, fds);

        close_all(fds);
        if (r == 0 && message.header.type != WIRE_ANSWER)
                r = -EPROTO;
        if (r < 0)
                return r;
        *ret = message.answer;
        make_plain(ret->text);
        return 0;
}

static int64_t monotonic_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A daemon that does not take connections has a full queue of them sooner or later. */
static int connect_until(const char *path, const void *message, size_t size, int64_t deadline_ms) {
        int64_t pause_ms = 1;
        int fd;

        while ((fd = connect_and_send(path, message, size)) == -EAGAIN) {
                if (monotonic_ms() + pause_ms >= deadline_ms)
                        return -ETIMEDOUT;
                nanosleep(&(struct timespec){ .tv_nsec = pause_ms * 1000000 }, NULL);
                pause_ms = pause_ms < 100 ? 2 * pause_ms : pause_ms;
        }
        return fd;
}

int daemon_socket_query(const char *path, struct wire_status *ret, struct ucred *ret_peer) {
        struct wire_query query = { wire_header_of(WIRE_QUERY, WIRE_VERSION) };
        int64_t left_ms, deadline_ms = monotonic_ms() + DAEMON_SOCKET_QUERY_MS;
        int fds[WIRE_WELCOME_FDS] = { -1, -1, -1 };
        socklen_t length = sizeof(*ret_peer);
        union wire_message message;
        int r, fd;

        *ret_peer = (struct ucred){ .pid = 0 };
        fd = connect_until(path, &query, sizeof(query), deadline_ms);
        if (fd < 0)
                return fd;
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &length);
        left_ms = deadline_ms - monotonic_ms();
        r = receive(fd, left_ms > 0 ? (int)left_ms : 0, &message, fds);
        close(fd);
        close_all(fds);
        /* what it sends to everybody while it has no descriptor left */
        if (r == 0 && message.header.type == WIRE_REFUSED)
                r = -ECONNRESET;
        if (r == 0 && (message.header.type != WIRE_STATUS ||
                       !segments_name_valid(message.status.shm)))
                r = -EPROTO;
        if (r < 0)
                return r;
        *ret = message.status;
        make_plain(ret->daemon_version);
        return 0;
}

int daemon_socket_refresh(const char *path) {
        struct wire_refresh message = { wire_header_of(WIRE_REFRESH, WIRE_VERSION) };

        return connect_and_send(path, &message, sizeof(message));
}

static bool other_version(int fd, const char *name, uint32_t understood,
                          char text[DAEMON_SOCKET_TEXT]) {
        struct segments_start start;

        if (fd < 0 || pread(fd, &start, sizeof(start), 0) != (ssize_t)sizeof(start) ||
            start.version == understood)
                return false;
        snprintf(text, DAEMON_SOCKET_TEXT, "the daemon's %s has version %u, this release "
                 "understands %u: install matching releases", name, start.version, understood);
        return true;
}

static bool explain(const union wire_message *answer, const int fds[WIRE_WELCOME_FDS],
                    char text[DAEMON_SOCKET_TEXT]) {
        if (answer->header.type != WIRE_REFUSED)
                return other_version(fds[0], "clock segment", CLOCK_VERSION, text) ||
                       other_version(fds[1], "grants page", PAGES_VERSION, text);
        snprintf(text, DAEMON_SOCKET_TEXT, "the daemon says: %s", answer->refused.text);
        make_plain(text);
        return true;
}

bool daemon_socket_explain(const char *path, char text[DAEMON_SOCKET_TEXT]) {
        struct wire_hello hello = {
                .header = wire_header_of(WIRE_HELLO, WIRE_VERSION),
                .version_min = WIRE_VERSION_MIN,
                .version_max = WIRE_VERSION,
                .lanes = 1,
        };
        int fds[WIRE_WELCOME_FDS] = { -1, -1, -1 };
        union wire_message message;
        int r = exchange(path, &hello, sizeof(hello), WELCOME_WITHIN_MS, &message, fds);
        bool known = r == 0 && explain(&message, fds, text);

        close_all(fds);
        return known;
}
