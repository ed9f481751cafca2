/* SPDX-License-Identifier: MIT */
#include "libclient/own_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int own_socket_of(int fd, struct own_socket *ret) {
        uint64_t cookie = 0;
        socklen_t length = sizeof(cookie);

        if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) < 0)
                return -errno;
        *ret = (struct own_socket){ .fd = fd, .cookie = cookie };
        return 0;
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
