/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/server/message.h"

/* As from a kernel without SO_PASSRIGHTS. */
static void send_descriptors(int socket, const void *bytes, size_t length, size_t n_fds) {
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(253 * sizeof(int))];
        } control = { .bytes = { 0 } };
        struct iovec part = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = length };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = CMSG_SPACE(n_fds * sizeof(int)) };
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);

        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        for (size_t i = 0; i < n_fds; i++) {
                int fd = STDIN_FILENO;

                memcpy(CMSG_DATA(rights) + i * sizeof(fd), &fd, sizeof(fd));
        }
        cr_assert_eq(sendmsg(socket, &header, 0), (ssize_t)length);
}

/* Red when there is room for descriptors, and they are kept, or when MSG_CTRUNC is nothing. */
Test(message, descriptors_are_refused_and_none_is_kept) {
        struct wire_want want = { .header = wire_header_of(WIRE_WANT, WIRE_VERSION) };
        static const size_t counts[] = { 1, 2, 253 };
        union wire_message message;
        int pair[2], before, after;

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        before = dup(pair[0]);
        close(before);
        for (size_t i = 0; i < 3; i++) {
                send_descriptors(pair[1], &want, sizeof(want), counts[i]);
                cr_expect_eq(message_receive(pair[0], &message), -EPROTO);
        }
        after = dup(pair[0]);
        cr_expect_eq(after, before, "a descriptor was kept");
        cr_assert_eq(send(pair[1], &want, sizeof(want), 0), (ssize_t)sizeof(want));
        cr_expect_eq(message_receive(pair[0], &message), 0);
}
