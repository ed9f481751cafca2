/* SPDX-License-Identifier: MIT */
#include "tests/support/notify_socket.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int notify_socket_new(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), n;

        cr_assert_geq(fd, 0);
        /* abstract: nothing to remove */
        n = snprintf(address.sun_path, sizeof(address.sun_path), "@sfshm-test-notify-%d-%d",
                     (int)getpid(), fd);
        cr_assert_eq(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
        address.sun_path[0] = '\0';
        cr_assert_eq(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
                     0, "bind: %s", strerror(errno));
        return fd;
}

bool notify_socket_next(int fd, char *ret, size_t size) {
        ssize_t n = recv(fd, ret, size - 1, 0);

        if (n < 0)
                return false;
        ret[n] = '\0';
        return true;
}

unsigned notify_socket_pings(int fd) {
        char message[4096];
        unsigned pings = 0;

        while (notify_socket_next(fd, message, sizeof(message)))
                pings += strcmp(message, "WATCHDOG=1") == 0;
        return pings;
}
