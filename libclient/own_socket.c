/* SPDX-License-Identifier: MIT */
#include "libclient/own_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where there are no cookies (a kernel before 4.6, qemu's user mode): the inode of the socket,
 * of which only sockets that live at the same time are sure to have different ones. */
static int inode_of(int fd, uint64_t *ret) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISSOCK(st.st_mode))
                return -ENOTSOCK;
        *ret = st.st_ino;
        return 0;
}

int own_socket_of(int fd, struct own_socket *ret) {
        uint64_t cookie = 0;
        socklen_t length = sizeof(cookie);
        int r = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) < 0)
                r = errno == EINVAL || errno == ENOPROTOOPT ? inode_of(fd, &cookie) : -errno;
        if (r == 0)
                *ret = (struct own_socket){ .fd = fd, .cookie = cookie };
        return r;
}

bool own_socket_valid(struct own_socket socket) {
        struct own_socket now = OWN_SOCKET_NONE;

        return socket.fd >= 0 && own_socket_of(socket.fd, &now) == 0 &&
               now.cookie == socket.cookie;
}

void own_socket_close(struct own_socket socket) {
        if (own_socket_valid(socket))
                close(socket.fd);
}
