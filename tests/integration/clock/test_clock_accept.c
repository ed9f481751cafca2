/* SPDX-License-Identifier: MIT */
/* sfshm clock, and `sfshm clock accept`: who may, and what is said. */
#include <criterion/criterion.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/wire.h"
#include "tests/support/tool.h"
#include "tests/support/private_daemon.h"

#define UID_DAEMON 65532u
#define UID_STRANGER 65534u
#define MANY_GROUPS 300

TestSuite(clock_accept, .timeout = 120);

static struct private_daemon d;
static struct tool_result result;

static void run_tool(const char *const arguments[]) {
        unsetenv("SFSHM_SOCKET");
        tool_run(&result, "SFSHM_TOOL", arguments, "", 0);
}
#define RUN(...) run_tool(TOOL_ARGUMENTS(__VA_ARGS__))

static void expect_status(int status, const char *part) {
        cr_expect_eq(result.status, status, "status %d", result.status);
        cr_expect_not_null(strstr(result.err, part), "'%s' is not in: %s", part, result.err);
        cr_expect_str_eq(result.out, "");
}

static void expect_error(const char *part) {
        expect_status(1, part);
}

/* The command line is wrong. */
static void expect_usage(const char *part) {
        expect_status(2, part);
}

static int connect_to_daemon(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", d.socket);
        return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? fd : -1;
}

/* The error of the ANSWER; 255: there was none, or what follows is not an end. */
static int ask(void) {
        struct wire_header message = wire_header_of(WIRE_ACCEPT, WIRE_VERSION);
        union wire_message answer, more;
        int fd = connect_to_daemon();
        ssize_t n;

        if (fd < 0 || send(fd, &message, sizeof(message), MSG_NOSIGNAL) < 0)
                return 255;
        n = recv(fd, &answer, sizeof(answer), 0);
        if (n < 0 || wire_check(&answer, (size_t)n) < 0 || answer.header.type != WIRE_ANSWER ||
            recv(fd, &more, sizeof(more), 0) != 0)
                return 255;
        if (answer.answer.error == EPERM && strstr(answer.answer.text, "group 65532") == NULL)
                return 255; /* it does not say what is needed */
        return answer.answer.error;
}

static int ask_as(uid_t uid, gid_t gid, size_t n_groups, const gid_t *groups) {
        pid_t child = fork_bound();
        int status;

        cr_assert_geq(child, 0);
        if (child == 0) {
                if (setgroups(n_groups, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
                    setresuid(uid, uid, uid) < 0)
                        _exit(254);
                _exit(ask());
        }
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/*
 * EALREADY is the answer to who may ask while nothing is held. Red when
 * may_control() leaves out any of its three ways, or lets everybody in.
 */
Test(clock_accept, root_the_daemon_and_its_group_may_and_nobody_else) {
        gid_t groups[MANY_GROUPS];

        if (geteuid() != 0)
                cr_skip_test("needs root to become other users");
        for (gid_t i = 0; i < MANY_GROUPS; i++)
                groups[i] = 200000 + i;
        private_daemon_prepare(&d);
        d.uid = UID_DAEMON; /* and group */
        private_daemon_start(&d);
        cr_expect_eq(ask_as(0, 0, 0, NULL), EALREADY);
        cr_expect_eq(ask_as(0, UID_STRANGER, 0, NULL), EALREADY);
        cr_expect_eq(ask_as(UID_DAEMON, UID_STRANGER, 0, NULL), EALREADY);
        cr_expect_eq(ask_as(UID_STRANGER, UID_STRANGER, 0, NULL), EPERM);
        cr_expect_eq(ask_as(UID_STRANGER, 0, 0, NULL), EPERM);
        cr_expect_eq(ask_as(UID_STRANGER, UID_STRANGER, MANY_GROUPS, groups), EPERM);
        cr_expect_eq(ask_as(UID_STRANGER, UID_DAEMON, 0, NULL), EALREADY);
        groups[2] = UID_DAEMON;
        cr_expect_eq(ask_as(UID_STRANGER, UID_STRANGER, 3, groups), EALREADY);
        groups[2] = 200002;
        groups[MANY_GROUPS - 1] = UID_DAEMON;
        cr_expect_eq(ask_as(UID_STRANGER, UID_STRANGER, MANY_GROUPS, groups), EALREADY);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Red when the sentence of the ANSWER is not what is shown. */
Test(clock_accept, the_tool_shows_the_answer) {
        private_daemon_prepare(&d);
        private_daemon_start(&d);
        RUN("clock", "accept", "--socket", d.socket);
        expect_error("sfshm: nothing is held back: the wall clock is already followed\n");
        private_daemon_stop(&d);
        RUN("clock", "accept", "--socket", d.socket);
        expect_status(3, d.socket);
        private_daemon_remove(&d);
}

/* Answers each connection with `size` bytes, or with nothing but its end. */
static pid_t fake_daemon(const void *bytes, size_t size) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        pid_t child;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", d.socket);
        unlink(d.socket);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(listen(fd, 8), 0);
        child = fork_bound();
        if (child == 0) {
                for (;;) {
                        int peer = accept(fd, NULL, NULL);
                        char message[WIRE_MESSAGE_MAX];

                        if (recv(peer, message, sizeof(message), 0) > 0 && size > 0)
                                (void)!send(peer, bytes, size, MSG_NOSIGNAL);
                        close(peer);
                }
        }
        close(fd);
        return child;
}

static void end_fake(pid_t child) {
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, NULL, 0), child);
}

/* A daemon which does not know ACCEPT closes the connection. Red when that is
 * shown as "Connection reset by peer" or taken for a success. */
Test(clock_accept, an_older_daemon_is_named_as_such) {
        union wire_message message = { .answer = { wire_header_of(WIRE_ANSWER, WIRE_VERSION),
                                                   .text = "done\033[31m" } };
        pid_t child;

        private_daemon_prepare(&d);
        child = fake_daemon(NULL, 0);
        RUN("clock", "accept", "--socket", d.socket);
        expect_error("it is of an older version");
        end_fake(child);
        child = fake_daemon(&message, sizeof(message.answer) - 1);
        RUN("clock", "accept", "--socket", d.socket);
        expect_status(3, "did not answer as sfshmd does");
        end_fake(child);
        child = fake_daemon(&message, sizeof(message.answer));
        RUN("clock", "accept", "--socket", d.socket);
        cr_expect_eq(result.status, 0);
        cr_expect_str_eq(result.out, "done?[31m\n");
        end_fake(child);
        private_daemon_remove(&d);
}

/* It is reachable before the first look at its clock. */
static bool hands_out_ids(void *context) {
        (void)context;
        RUN("clock", "--socket", d.socket);
        return result.status == 0;
}

Test(clock_accept, the_clock_is_shown_to_everybody) {
        private_daemon_prepare(&d);
        RUN("clock", "--shm", d.shm);
        expect_status(3, "sfshmd is not running");
        private_daemon_start(&d);
        cr_assert(wait_until(hands_out_ids, NULL, 30000), "%s", result.err);
        RUN("clock", "--shm", d.shm);
        cr_expect_eq(result.status, 0, "%s", result.err);
        cr_expect_not_null(strstr(result.out, "\ndifference  "), "%s", result.out);
        RUN("clock", "--json", "--shm", d.shm);
        cr_expect_eq(result.status, 0, "%s", result.err);
        cr_expect_not_null(strstr(result.out, ",\"offset_ms\":"), "%s", result.out);
        private_daemon_stop(&d);
        RUN("clock", "--shm", d.shm);
        expect_status(3, "sfshmd is not running");
        RUN("clock", "--socket", d.socket);
        expect_status(3, "is not running (it was stopped, says ");
        private_daemon_remove(&d);
}

/* Red when an option which the command ignores is let through. */
Test(clock_accept, mistakes_are_named) {
        RUN("clock", "acept");
        expect_usage("but got 'acept'");
        RUN("clock", "accept", "now");
        expect_usage("but got 'now'");
        RUN("clock", "--shm", "sfshm");
        expect_usage("not 'sfshm'");
        RUN("clock", "--socket", d.socket, "--shm", d.shm);
        expect_usage("exclude each other");
        RUN("clock", "accept", "--json");
        expect_usage("takes only --socket");
        RUN("clock", "-n", "3");
        expect_usage("'clock' takes no --count");
        RUN("clock", "--layout", "41/10/12");
        expect_usage("'clock' takes no layout");
        RUN("next", "--shm", "/sfshm");
        expect_usage("'next' takes no --shm");
        RUN("next", "--force");
        expect_usage("'next' takes no --force");
        RUN("fence", "--above", "1", "--socket", "/x");
        expect_usage("'fence' takes no --socket");
        RUN("fence");
        expect_usage("needs --above ID|TIME");
        RUN("fence", "1");
        expect_usage("got '1'");
}
