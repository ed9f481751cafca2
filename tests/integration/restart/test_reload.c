/* SPDX-License-Identifier: MIT */
/* SIGHUP: the configuration of a daemon that runs, with clients that use it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"

#define UID_CLIENT 1001u
#define LIMIT_MS 30000

TestSuite(reload, .timeout = 120);

static struct private_daemon d;
static char config[128];
static int notified = -1; /* what the daemon tells systemd */

static void configure(const char *text) {
        FILE *file = fopen(config, "we");

        cr_assert_not_null(file);
        cr_assert_geq(fputs(text, file), 0);
        cr_assert_eq(fclose(file), 0);
}

static void listen_as_systemd(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct timeval limit = { .tv_sec = LIMIT_MS / 1000 };

        notified = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        cr_assert_geq(notified, 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", d.directory);
        cr_assert_eq(bind(notified, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(setsockopt(notified, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
        cr_assert_eq(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
}

/* The next message that contains `part`. */
static const char *expect_notified(const char *part) {
        static char message[1024];

        do {
                ssize_t n = recv(notified, message, sizeof(message) - 1, 0);

                cr_assert_geq(n, 0, "no '%s' came: %s", part, strerror(errno));
                message[n] = '\0';
        } while (strstr(message, part) == NULL);
        return message;
}

static void start(const char *text) {
        private_daemon_prepare(&d);
        snprintf(config, sizeof(config), "%s/sfshmd.conf", d.directory);
        d.config = config;
        configure(text);
        listen_as_systemd();
        private_daemon_start(&d);
        (void)expect_notified("READY=1");
}

/* Sends the signal and waits for the end of it; what systemd is told then. */
static const char *reload(const char *text) {
        configure(text);
        private_daemon_signal(&d, SIGHUP, false);
        cr_assert_not_null(strstr(expect_notified("RELOADING=1"), "\nMONOTONIC_USEC="));
        return expect_notified("READY=1");
}

static void expect_logged(const char *part) {
        char *log = private_daemon_log(&d);

        cr_expect_not_null(strstr(log, part), "\"%s\" is not in the log:\n%s", part, log);
        free(log);
}

static void end(sfshm *s) {
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        close(notified);
}

static void take(sfshm *s, unsigned n) {
        static uint64_t last;

        while (n-- > 0) {
                uint64_t id;
                int r = sfshm_next(s, &id);

                cr_assert_eq(r, 0, "%s", sfshm_strerror(r));
                cr_assert_gt(id, last);
                last = id;
        }
}

static int open_another(void) {
        sfshm *s = NULL;
        int r = sfshm_open(&s, d.socket, 0);

        sfshm_close(s);
        return r;
}

/* A cap of one position for whoever runs this: a second lane has no place, the
 * first goes on. Red when accounts keep their rules (accounts_reload()). */
Test(reload, a_cap_comes_and_goes) {
        char capped[64];
        sfshm *s;

        snprintf(capped, sizeof(capped), "[caps]\nuid.%u = 1000\n", (unsigned)geteuid());
        start("");
        s = private_daemon_open(&d, 0);
        take(s, 10000);
        cr_assert_eq(open_another(), 0);
        cr_assert_null(strstr(reload(capped), "STATUS="));
        take(s, 1000);
        cr_expect_eq(open_another(), -EDQUOT);
        expect_logged("caps.uid.UID is now \"uid.");
        (void)reload("");
        cr_expect_eq(open_another(), 0);
        take(s, 10000);
        end(s);
}

/* As a user who has limits. */
static int open_two(int reload_done, int opened) {
        sfshm *first = NULL, *second = NULL;
        uint64_t id;
        char byte = 0;

        if (setgroups(0, NULL) < 0 || setresgid(UID_CLIENT, UID_CLIENT, UID_CLIENT) < 0 ||
            setresuid(UID_CLIENT, UID_CLIENT, UID_CLIENT) < 0)
                return 126;
        if (sfshm_open(&first, d.socket, 0) < 0 || sfshm_open(&second, d.socket, 0) < 0)
                return 1;
        sfshm_close(second);
        if (write(opened, &byte, 1) != 1 || read(reload_done, &byte, 1) != 1)
                return 2;
        if (sfshm_open(&second, d.socket, 0) != -EDQUOT)
                return 3;
        return sfshm_next(first, &id) == 0 ? 0 : 4;
}

/* Red when limits are copied at the start. */
Test(reload, a_lower_limit_refuses_the_next_attach) {
        int done[2], opened[2], status;
        char byte = 0;
        pid_t child;

        if (geteuid() != 0)
                cr_skip_test("only root can be several users");
        start("");
        cr_assert(pipe(done) == 0 && pipe(opened) == 0);
        child = fork_bound();
        cr_assert_geq(child, 0);
        if (child == 0)
                _exit(open_two(done[0], opened[1]));
        close(opened[1]);
        cr_assert_eq(read(opened[0], &byte, 1), 1, "the child has not opened both");
        (void)reload("[limits]\nuid_clients = 1\n");
        cr_assert_eq(write(done[1], &byte, 1), 1);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child: %#x",
                  (unsigned)status);
        expect_logged("limits.uid_clients is now \"1\" (was \"1024\")");
        end(NULL);
}

/* All or nothing, and the status says it until it is put right. Red when the cap
 * is applied although something else is refused. */
Test(reload, what_is_wrong_or_needs_a_restart_changes_nothing) {
        char text[160];
        sfshm *s;

        start("");
        s = private_daemon_open(&d, 0);
        snprintf(text, sizeof(text), "[caps]\nuid.%u = 1000\n[daemon]\nmax_clients = 7\n",
                 (unsigned)geteuid());
        cr_expect_not_null(strstr(reload(text), "STATUS=The new configuration was refused"));
        expect_logged("restart needed: daemon.max_clients is \"4096\" and cannot become \"7\"");
        cr_expect_eq(open_another(), 0);
        snprintf(text, sizeof(text), "[caps]\nuid.%u = 1000\nuid.0 = x\n", (unsigned)UID_CLIENT);
        cr_expect_not_null(strstr(reload(text), "STATUS=The new configuration was refused"));
        expect_logged("sfshmd.conf:3: caps.uid.0 = \"x\" is not allowed");
        cr_expect_eq(open_another(), 0);
        cr_expect_not_null(strstr(reload("[limits]\nuid_lanes = 9\n"),
                                  "STATUS=The configuration is reloaded."));
        expect_logged("limits.uid_lanes is now \"9\" (was \"1024\")");
        take(s, 1000);
        end(s);
}

/* A client that allocates all the while. */
static int allocate(int stop) {
        uint64_t id, last = 0;
        sfshm *s = NULL;
        char byte;

        if (sfshm_open(&s, d.socket, 0) < 0)
                return 1;
        do {
                for (unsigned i = 0; i < 1000; i++, last = id)
                        if (sfshm_next(s, &id) != 0 || id <= last)
                                return 2;
        } while (recv(stop, &byte, 1, MSG_DONTWAIT) < 0);
        return 0;
}

/* Red when the signal ends the daemon. */
Test(reload, clients_do_not_notice) {
        int stop[2], status;
        pid_t child;
        sfshm *s;

        start("");
        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, stop), 0);
        child = fork_bound();
        cr_assert_geq(child, 0);
        if (child == 0)
                _exit(allocate(stop[0]));
        s = private_daemon_open(&d, 0);
        for (unsigned i = 0; i < 20; i++) {
                cr_assert_null(strstr(reload(i % 2 == 0 ? "[reserve]\nstanding = 1s\n"
                                                          "elastic = 20ms\n"
                                                        : "[weights]\nuid.0 = 9\n[reserve]\n"
                                                          "standing = 60s\nelastic = 1s\n"),
                                      "STATUS="));
                take(s, 20000);
        }
        cr_assert_eq(write(stop[1], "", 1), 1);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child: %#x",
                  (unsigned)status);
        end(s);
}
