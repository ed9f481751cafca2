/* SPDX-License-Identifier: MIT */
#include "tests/support/ports.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Linux gives out 32768 and above by itself (ip_local_port_range). */
#define FIRST 20000u
#define COUNT 12000u

/* Kept open: an abstract name is as far-reaching as a port, one network namespace. */
static bool claim_name(unsigned port) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "sfshm-test-port-%u",
                         port);

        cr_assert_geq(fd, 0);
        if (bind(fd, (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
                return true;
        close(fd);
        return false;
}

static bool is_free(unsigned port) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons((uint16_t)port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

        close(fd);
        return free;
}

unsigned port_reserve(void) {
        static unsigned tried;

        while (tried < COUNT) {
                unsigned port = FIRST + ((unsigned)getpid() * 16 + tried++) % COUNT;

                if (claim_name(port) && is_free(port))
                        return port;
        }
        cr_assert_fail("no port of %u to %u is free", FIRST, FIRST + COUNT - 1);
        return 0;
}
