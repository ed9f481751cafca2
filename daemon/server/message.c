/* SPDX-License-Identifier: MIT */
#include "daemon/server/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* linux 6.16 */
#endif

void message_refuse_descriptors(int socket) {
        int off = 0;

        /* an older kernel has no such option: message_receive() drops what comes */
        (void)setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

int message_receive(int socket, union wire_message *ret) {
        union wire_message message;
        struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };
        /* Without room for descriptors the kernel drops them and says MSG_CTRUNC. They are
         * not closed here: close(2) of a file on somebody's own FUSE waits for him. */
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
        ssize_t length;

        memset(&message, 0, sizeof(message));
        length = recvmsg(socket, &header, MSG_DONTWAIT);
        if (length < 0)
                return errno == EAGAIN || errno == EINTR ? -EAGAIN : -ECONNRESET;
        if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
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
