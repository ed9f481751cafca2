/* SPDX-License-Identifier: MIT */
#include "daemon/host/notify.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or '@' and the name of an abstract socket; 0: neither. */
static socklen_t address_of(struct sockaddr_un *ret) {
        const char *text = getenv("NOTIFY_SOCKET");
        size_t length = text == NULL ? 0 : strlen(text);

        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (length < 2 || (text[0] != '/' && text[0] != '@') || length >= sizeof(ret->sun_path))
                return 0;
        memcpy(ret->sun_path, text, length);
        if (text[0] == '@')
                ret->sun_path[0] = '\0';
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

bool notify_wanted(void) {
        struct sockaddr_un address;

        return address_of(&address) != 0;
}

static void attach_descriptors(struct msghdr *header, void *control, const int *fds, size_t n_fds) {
        struct cmsghdr *rights;

        header->msg_control = control;
        header->msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        rights = CMSG_FIRSTHDR(header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, n_fds * sizeof(int));
}

/* Who sent it the manager knows from the kernel. */
int notify_send(const char *text, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(NOTIFY_FDS_MAX * sizeof(int))];
        } control = { .bytes = { 0 } };
        struct sockaddr_un address;
        struct iovec part = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) };
        struct msghdr header = { .msg_name = &address, .msg_iov = &part, .msg_iovlen = 1 };
        int fd, r;

        header.msg_namelen = address_of(&address);
        if (header.msg_namelen == 0)
                return 0;
        if (n_fds > NOTIFY_FDS_MAX)
                return -EINVAL;
        if (n_fds > 0)
                attach_descriptors(&header, &control, fds, n_fds);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        r = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
        close(fd);
        return r;
}
