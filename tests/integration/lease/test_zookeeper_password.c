/* SPDX-License-Identifier: MIT */
/* A daemon with a user in ZooKeeper: a wrong password, and one that changes while it runs. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/private_daemon.h"
#include "tests/support/zookeeper_server.h"

TestSuite(zookeeper_password, .timeout = 150);

static struct zookeeper_server server;
static struct private_daemon d;
static char path[sizeof(server.directory) + 16];

static void write_password(const char *password) {
        FILE *file = fopen(path, "w");

        cr_assert_not_null(file);
        fprintf(file, "%s\n", password);
        cr_assert_eq(fclose(file), 0);
}

static void prepare(struct private_daemon *p) {
        private_daemon_prepare(p);
        private_daemon_unset_first(p);
        private_daemon_set(p, "workers.backend=zookeeper");
        private_daemon_set(p, "zookeeper.hosts=%s", server.hosts);
        private_daemon_set(p, "zookeeper.ttl=6s");
        private_daemon_set(p, "zookeeper.username=ids");
        private_daemon_set(p, "zookeeper.password_file=%s", path);
}

/* The space belongs to ids:secret. */
static void begin(void) {
        zookeeper_server_begin(&server, 1);
        snprintf(path, sizeof(path), "%s/password", server.directory);
        cr_assert_eq(chmod(server.directory, 0755), 0);
        write_password("secret");
        prepare(&d);
        private_daemon_begin_space(&d);
}

static void end(void) {
        private_daemon_remove(&d);
        zookeeper_server_end(&server);
}

static void expect_ids(void) {
        uint64_t id;

        cr_expect_eq(private_daemon_next(&d, &id), 0);
}

/* Red when -EACCES is tried again like a coordinator that is away; and when the password is
 * only read for a new session. */
Test(zookeeper_password, a_daemon_that_waits_takes_the_right_one) {
        char *log;

        begin();
        write_password("wrong");
        private_daemon_spawn(&d);
        wait_for_log(&d, "event=zookeeper-access");
        log = private_daemon_log(&d);
        cr_assert_not_null(strstr(log, "denies access to this host: correct zookeeper.username and "
                                       "zookeeper.password_file"), "%s", log);
        cr_assert_null(strstr(log, "wrong"), "the password is in the log");
        free(log);
        write_password("secret");
        wait_for_log(&d, "event=start)");
        expect_ids();
        private_daemon_stop(&d);
        end();
}

/* First in order, with a signal; then the old one is refused at once. Red without
 * look_at_password(): the session keeps the old user. */
Test(zookeeper_password, it_changes_under_a_lease) {
        begin();
        private_daemon_start(&d);
        zookeeper_server_give(&server, "ids:secret", "ids:second", "/sfshm");
        write_password("second");
        private_daemon_signal(&d, SIGHUP, false);
        wait_for_log(&d, "event=lease-revived");
        zookeeper_server_give(&server, "ids:second", NULL, "/sfshm");
        forget_log(&d);

        zookeeper_server_give(&server, "ids:second", "ids:third", "/sfshm");
        zookeeper_server_give(&server, "ids:third", NULL, "/sfshm");
        wait_for_log(&d, "event=fence-write");
        expect_ids();
        cr_expect_not(log_says(&d, "event=zookeeper-user"), "nothing has changed");
        write_password("third");
        wait_for_log(&d, "event=fence-recovered");
        expect_ids();
        private_daemon_stop(&d);
        end();
}

static size_t count(const char *part) {
        char *log = private_daemon_log(&d);
        size_t n = 0;

        for (const char *at = log; (at = strstr(at, part)) != NULL; at++)
                n++;
        free(log);
        return n;
}

/* Red when it is cut: that is another password. And once for each change. */
Test(zookeeper_password, one_that_is_too_long_is_refused) {
        char text[257];

        begin();
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        write_password(text);
        private_daemon_spawn(&d);
        wait_for_log(&d, "longer than a password may be, 255 bytes");
        for (int i = 0; i < 3; i++)
                private_daemon_signal(&d, SIGHUP, false);
        cr_assert_eq(remove(path), 0);
        wait_for_log(&d, "cannot read zookeeper.password_file");
        cr_expect_eq(count("event=zookeeper-password"), 2);
        write_password("secret");
        wait_for_log(&d, "event=start)");
        private_daemon_stop(&d);
        end();
}
