/* SPDX-License-Identifier: MIT */
/* F1: sfshmd --check says what a start would refuse, and changes nothing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/tool.h"

static struct private_daemon d;
static struct tool_result result;

static void begin(void) {
        private_daemon_prepare(&d);
}
static void finish(void) {
        private_daemon_remove(&d);
}
TestSuite(check, .init = begin, .fini = finish, .timeout = 120);

/* Its exit status, which must be that of a start; that is not tried for status 0. */
static int check(void) {
        const char *argv[2 * PRIVATE_DAEMON_SETS + 8] = { "--check", "--config", "/dev/null" };
        size_t n = 3;

        for (unsigned i = 0; i < d.n_sets; i++) {
                argv[n++] = "--set";
                argv[n++] = d.sets[i];
        }
        tool_run(&result, "SFSHMD", argv, "", 0);
        return result.status;
}

static void expect_both_refuse(int status, const char *part) {
        char *log;

        cr_expect_eq(check(), status, "%s", result.err);
        cr_expect_not_null(strstr(result.err, part), "'%s' is not in: %s", part, result.err);
        cr_expect_str_eq(result.out, "");
        cr_expect_eq(private_daemon_start_fails(&d), status);
        log = private_daemon_log(&d);
        cr_expect_not_null(strstr(log, part), "'%s' is not in: %s", part, log);
        free(log);
}

/* Before a first start, while a daemon runs, and between two. */
Test(check, a_start_that_would_work) {
        char path[256];

        cr_expect_eq(check(), 0, "%s", result.err);
        cr_expect_not_null(strstr(result.out, "would start"));
        cr_expect_eq(access(d.state, F_OK), -1, "it made the state directory");
        snprintf(path, sizeof(path), "/dev/shm%s.clock", d.shm);
        cr_expect_eq(access(path, F_OK), -1, "it made a segment");
        private_daemon_start(&d);
        cr_expect_eq(check(), 0, "a restart would work: %s", result.err);
        sfshm_close(private_daemon_open(&d, 0));
        private_daemon_signal(&d, SIGKILL, true);
        cr_expect_eq(check(), 0, "%s", result.err);
}

Test(check, the_configuration) {
        private_daemon_set(&d, "workers.first=1024");
        expect_both_refuse(2, "workers.first = 1024");
}

Test(check, a_state_directory_of_a_mode) {
        cr_assert_eq(mkdir(d.state, 0700), 0);
        cr_assert_eq(chmod(d.state, 0777), 0);
        expect_both_refuse(3, "others may write to state directory");
}

Test(check, no_directory_above_the_state) {
        private_daemon_set(&d, "daemon.state_dir=%s/missing/state", d.directory);
        expect_both_refuse(3, "the directory above it does not exist");
}

Test(check, a_lock_that_is_none) {
        char path[256];

        snprintf(path, sizeof(path), "%s/lock", d.state);
        cr_assert_eq(mkdir(d.state, 0700), 0);
        cr_assert_eq(mkdir(path, 0700), 0);
        expect_both_refuse(3, "cannot lock");
        rmdir(path);
}

Test(check, a_fence_that_is_lost_or_damaged) {
        char path[256];
        int fd;

        private_daemon_start(&d);
        private_daemon_stop(&d);
        snprintf(path, sizeof(path), "%s/fence", d.state);
        cr_assert_eq(unlink(path), 0);
        expect_both_refuse(3, "this is no first start");
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        cr_assert_eq(write(fd, "torn", 4), 4);
        close(fd);
        expect_both_refuse(3, "torn or damaged");
}

Test(check, another_layout) {
        private_daemon_start(&d);
        private_daemon_stop(&d);
        private_daemon_set(&d, "id.layout=41/9/13");
        expect_both_refuse(3, "was written with layout 41/10/12");
}

Test(check, a_segments_name_that_is_taken) {
        char path[256];

        snprintf(path, sizeof(path), "/dev/shm%s.ledger", d.shm);
        cr_assert_eq(mkdir(path, 0700), 0);
        expect_both_refuse(3, "is taken by a directory");
        rmdir(path);
}

Test(check, a_sockets_name_that_is_taken) {
        cr_assert_eq(mkdir(d.socket, 0700), 0);
        expect_both_refuse(3, "exists and is not a socket");
}

Test(check, worker_ids_of_another_daemon) {
        struct private_daemon other;

        private_daemon_prepare(&other);
        private_daemon_set(&other, "workers.space=%s", d.shm);
        private_daemon_start(&other);
        expect_both_refuse(3, "worker ID 0 is another daemon's");
        private_daemon_remove(&other);
}

Test(check, no_directory_above_the_socket) {
        private_daemon_set(&d, "daemon.socket=%s/missing/directory/socket", d.directory);
        expect_both_refuse(3, "the directory of daemon.socket");
}

/* All that is wrong at once. */
Test(check, says_everything) {
        private_daemon_set(&d, "daemon.socket_group=no such group");
        private_daemon_set(&d, "daemon.shm=%s/no such directory", d.directory);
        cr_expect_eq(check(), 3);
        cr_expect_not_null(strstr(result.err, "there is no group"));
        cr_expect_not_null(strstr(result.err, "no such directory"));
}

Test(check, a_coordinator_that_does_not_answer) {
        private_daemon_unset_first(&d);
        private_daemon_set(&d, "workers.backend=etcd");
        private_daemon_set(&d, "etcd.endpoints=http://127.0.0.1:1");
        cr_expect_eq(check(), 1);
        cr_expect_not_null(strstr(result.err, "does not answer"), "%s", result.err);
}

Test(check, usage) {
        tool_run(&result, "SFSHMD", TOOL_ARGUMENTS("--check", "--workers"), "", 0);
        cr_expect_eq(result.status, 2);
        tool_run(&result, "SFSHMD", TOOL_ARGUMENTS("--check", "--force"), "", 0);
        cr_expect_eq(result.status, 2);
}
