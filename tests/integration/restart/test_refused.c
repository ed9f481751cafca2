/* SPDX-License-Identifier: MIT */
/* How a start that fails ends: a service manager goes by the exit status. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/notify_socket.h"
#include "tests/support/private_daemon.h"

static struct private_daemon d;

static void setup(void) {
        private_daemon_prepare(&d);
}

static void teardown(void) {
        private_daemon_remove(&d);
}

TestSuite(refused, .init = setup, .fini = teardown);

static void write_fence_file(const char *text) {
        char path[128];
        FILE *file;

        snprintf(path, sizeof(path), "%s/fence", d.state);
        file = fopen(path, "we");
        cr_assert_not_null(file);
        fputs(text, file);
        fclose(file);
}

Test(refused, a_wrong_configuration_is_2) {
        private_daemon_set(&d, "daemon.no_such_key=1");
        cr_assert_eq(private_daemon_start_fails(&d), 2);
}

/* Red when run() does not use exit_status_of(). */
Test(refused, damaged_state_is_3) {
        cr_assert_eq(mkdir(d.state, 0700), 0);
        write_fence_file("sfshm-state 1\nmachine-id");
        cr_assert_eq(private_daemon_start_fails(&d), 3);
}

Test(refused, a_directory_which_others_may_write_to_is_3) {
        cr_assert_eq(mkdir(d.state, 0700), 0);
        cr_assert_eq(chmod(d.state, 0777), 0);
        cr_assert_eq(private_daemon_start_fails(&d), 3);
}

/* It may end: tried again, but not at once. Red when exit_status_tell() is left out. */
Test(refused, a_state_that_is_held_is_1_after_a_pause) {
        struct private_daemon other;
        char message[256];
        int64_t begin_ns;
        int manager;

        private_daemon_start(&d);
        private_daemon_prepare(&other);
        private_daemon_set(&other, "daemon.state_dir=%s", d.state);
        cr_assert_eq(private_daemon_start_fails(&other), 1);
        manager = notify_socket_new();
        begin_ns = test_monotonic_ns();
        cr_assert_eq(private_daemon_start_fails(&other), 1);
        cr_assert_geq(test_monotonic_ns() - begin_ns, INT64_C(1000000000));
        cr_assert(notify_socket_next(manager, message, sizeof(message)));
        cr_assert_not_null(strstr(message, "STATUS=Could not start"));
        private_daemon_remove(&other);
        private_daemon_stop(&d);
}
