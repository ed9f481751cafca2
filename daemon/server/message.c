/* SPDX-License-Identifier: MIT */
#include "daemon/server/message.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* linux 6.16 */
#endif
#define DESCRIPTORS_MAX 253 /* SCM_MAX_FD */

void message_refuse_descriptors(int socket) {
        int off = 0;

        /* an older kernel has no such option: message_receive() closes what comes */
        (void)setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

/* Closes the descriptors that came with a message. True if anything came with it. */
static bool close_descriptors(struct msghdr *header) {
        struct cmsghdr *part;
        bool any = false;

        for (part = CMSG_FIRSTHDR(header); part != NULL; part = CMSG_NXTHDR(header, part)) {
                size_t n = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                any = true;
                if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(part) + i * sizeof(fd), sizeof(fd));
                        close(fd);
                }
        }
        return any;
}

int message_receive(int socket, union wire_message *ret) {
        union wire_message message;
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
        } control;
        struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };
        struct msghdr header = {
                .msg_iov = &part, .msg_iovlen = 1,
                .msg_control = &control, .msg_controllen = sizeof(control) };
        ssize_t length;

        memset(&message, 0, sizeof(message));
        length = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (length < 0)
                return errno == EAGAIN || errno == EINTR ? -EAGAIN : -ECONNRESET;
        bool descriptors = close_descriptors(&header);
        if (descriptors || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
                return -EPROTO;
        if (length == 0)
                return -ECONNRESET;
        if (wire_check(&message, (size_t)length) < 0)
                return -EPROTO;
        *ret = message;
        return 0;
}

int message_send(int socket, union wire_message *message, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(WIRE_WELCOME_FDS * sizeof(int))];
        } control = { .bytes = { 0 } };
        struct iovec part = { .iov_base = message, .iov_len = message->header.length };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

        if (n_fds > WIRE_WELCOME_FDS || message->header.length > sizeof(*message))
                return -EINVAL;
        if (n_fds > 0) {
                header.msg_control = &control;
                header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
                rights->cmsg_level = SOL_SOCKET;
                rights->cmsg_type = SCM_RIGHTS;
                rights->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(rights), fds, n_fds * sizeof(int));
        }
        if (sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return -errno;
        return 0;
}
