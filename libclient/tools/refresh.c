/* SPDX-License-Identifier: MIT */
#include "libclient/tools/refresh.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libclient/tools/place.h"
#include "shm/wire.h"

int refresh_send(const char *path) {
        struct wire_refresh message = { wire_header_of(WIRE_REFRESH, WIRE_VERSION) };
        int fd = place_connect(path), r;

        if (fd >= 0 && send(fd, &message, sizeof(message), MSG_NOSIGNAL) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        return fd;
}
