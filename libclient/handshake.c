/* SPDX-License-Identifier: MIT */
#include "libclient/handshake.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libclient/clock.h"

#define DESCRIPTOR_FIRST 3 /* lower ones are taken for standard input, output and error */

/* A socket for the library, also in a program that has closed its standard descriptors. */
static int new_socket(void) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), low = fd;

        if (fd < 0 || fd >= DESCRIPTOR_FIRST)
                return fd < 0 ? -errno : fd;
        fd = fcntl(low, F_DUPFD_CLOEXEC, DESCRIPTOR_FIRST);
        if (fd < 0)
                fd = -errno;
        close(low);
        return fd;
}

int handshake_begin(const char *address, uint32_t lanes, int *ret_socket) {
        struct wire_hello hello = {
                .header = wire_header_of(WIRE_HELLO, WIRE_VERSION),
                .version_min = WIRE_VERSION_MIN,
                .version_max = WIRE_VERSION,
                .lanes = lanes,
        };
        struct sockaddr_un sun = { .sun_family = AF_UNIX };
        size_t length = strlen(address);
        int fd, r;

        if (length == 0 || length >= sizeof(sun.sun_path))
                return length == 0 ? -ENOENT : -ENAMETOOLONG;
        memcpy(sun.sun_path, address, length + 1);
        fd = new_socket();
        if (fd < 0)
                return fd;
        do
                r = connect(fd, (const struct sockaddr *)&sun, sizeof(sun));
        while (r < 0 && errno == EINTR);
        if (r < 0 || send(fd, &hello, sizeof(hello), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
                r = errno == EPIPE ? -ECONNRESET : -errno;
                close(fd);
                return r;
        }
        *ret_socket = fd;
        return 0;
}

static void close_all(const int *fds, size_t n) {
        for (size_t i = 0; i < n; i++)
                close(fds[i]);
}

/* Copies out at most `max` descriptors of a message and closes the rest. Returns how many
 * there were, so that a message with too many is refused. */
static size_t take_descriptors(struct msghdr *message, int *ret_fds, size_t max) {
        size_t taken = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (taken < max)
                                ret_fds[taken] = fd;
                        else
                                close(fd);
                        taken++;
                }
        }
        return taken;
}

/* What is short is the daemon's, not this process's. */
static int refusal(int error) {
        return error == EMFILE || error == ENFILE || error == ENOMEM ? -ENOBUFS : -error;
}

static int judge(const union wire_message *message, size_t length, const int *fds, size_t n_fds,
                 int socket, int64_t begun_boot_ns, struct attachment_space *space,
                 struct attachment **ret) {
        bool whole = wire_check(message, length) == 0;

        if (whole && message->header.type == WIRE_WELCOME && n_fds == WIRE_WELCOME_FDS) {
                if (message->welcome.boot_ns >= begun_boot_ns &&
                    message->welcome.boot_ns <= clock_boottime_ns())
                        return attachment_new(ret, space, &message->welcome, fds, socket);
                close_all(fds, n_fds); /* another time namespace */
                return -EPROTO;
        }
        close_all(fds, n_fds < WIRE_WELCOME_FDS ? n_fds : WIRE_WELCOME_FDS);
        if (whole && message->header.type == WIRE_REFUSED && message->refused.error < 4096)
                return refusal(message->refused.error);
        return -EPROTO;
}

int handshake_finish(int socket, int64_t begun_boot_ns, struct attachment_space *space,
                     struct attachment **ret) {
        union wire_message message;
        union {
                char bytes[CMSG_SPACE(sizeof(int) * WIRE_WELCOME_FDS)];
                struct cmsghdr align;
        } control;
        struct iovec iov = { .iov_base = &message, .iov_len = sizeof(message) };
        struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof(control) };
        int fds[WIRE_WELCOME_FDS];
        size_t n_fds;
        ssize_t n = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0)
                return errno == EINTR ? -EAGAIN : -errno;
        if (n == 0)
                return -ECONNRESET;
        n_fds = take_descriptors(&header, fds, WIRE_WELCOME_FDS);
        if ((header.msg_flags & MSG_CTRUNC) != 0 && n_fds < WIRE_WELCOME_FDS) {
                /* the buffer had room for them, this process's table had not */
                close_all(fds, n_fds);
                return -EMFILE;
        }
        if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
                n = 0; /* malformed: wire_check() refuses it, and its descriptors are closed */
        return judge(&message, (size_t)n, fds, n_fds, socket, begun_boot_ns, space, ret);
}
