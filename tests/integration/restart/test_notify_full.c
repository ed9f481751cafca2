/* SPDX-License-Identifier: MIT */
/* A1: a service manager that reads none of its messages holds nothing up. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"

TestSuite(notify_full, .timeout = 120);

static struct private_daemon d;
static int manager;

/* $NOTIFY_SOCKET, with a queue that is full. */
static void be_deaf(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", d.directory);
        cr_assert_eq(bind(manager, (struct sockaddr *)&address, sizeof(address)), 0);
        while (sendto(other, "old", 3, 0, (struct sockaddr *)&address, sizeof(address)) > 0)
                ;
        close(other);
        cr_assert_eq(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
}

static bool is_told(void *context) {
        char text[1024];
        ssize_t n;

        while ((n = recv(manager, text, sizeof(text) - 1, 0)) >= 0) {
                text[n] = '\0';
                if (strncmp(text, context, strlen(context)) == 0)
                        return true;
        }
        return false;
}

/* Red when READY=1 is sent by sd_notify(3), which waits; and when it is sent only once. */
Test(notify_full, start) {
        uint64_t id;

        private_daemon_prepare(&d);
        be_deaf();
        private_daemon_start(&d);
        cr_expect_eq(private_daemon_next(&d, &id), 0);
        cr_expect(wait_until(is_told, "READY=1", 30000));
        private_daemon_signal(&d, SIGHUP, false);
        cr_expect(wait_until(is_told, "READY=1", 30000));
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Red when the reason of a refused start is told by sd_notify(3). */
Test(notify_full, refused_start) {
        private_daemon_prepare(&d);
        private_daemon_set(&d, "daemon.state_dir=/proc/no/such");
        be_deaf();
        cr_expect_gt(private_daemon_start_fails(&d), 0);
        private_daemon_remove(&d);
}
