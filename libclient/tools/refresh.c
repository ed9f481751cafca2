/* SPDX-License-Identifier: MIT */
#include "libclient/tools/refresh.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shm/wire.h"

int refresh_send(const char *path) {
        struct wire_refresh message = { wire_header_of(WIRE_REFRESH, WIRE_VERSION) };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            send(fd, &message, sizeof(message), MSG_NOSIGNAL) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        return fd;
}
