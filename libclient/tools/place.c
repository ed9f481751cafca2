/* SPDX-License-Identifier: MIT */
#include "libclient/tools/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libclient/tools/print.h"

const char *place_socket(const char *given) {
        const char *environment = secure_getenv("SFSHM_SOCKET");

        if (given != NULL)
                return given;
        return environment != NULL ? environment : "/run/sfshm/sfshm.sock";
}

int place_connect(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                return fd;
        r = -errno;
        close(fd);
        return r;
}

int place_check_shm(const char *shm) {
        char quoted[PRINT_QUOTED_SIZE];

        if (shm[0] == '/' && shm[1] != '\0')
                return 0;
        return print_error("--shm takes a name as /sfshm or an absolute directory, not %s",
                           print_quoted(shm, strlen(shm), quoted));
}
