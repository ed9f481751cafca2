/* SPDX-License-Identifier: MIT */
/* F1: TLS, client certificates, users and tokens of a real etcd. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lease/etcd/calls.h"
#include "tests/integration/support/daemon_log.h"
#include "tests/integration/support/etcd_daemon.h"
#include "tests/support/capture.h"

TestSuite(etcd_tls, .timeout = 200);

#define TOKEN_TTL_S 3

static struct etcd_nodes nodes = { .n = 1, .tls = true, .token_ttl = TOKEN_TTL_S };
static _Atomic int64_t errors, breakers;
static struct etcd_http_options options;

/* As the host should have it. */
static void right(void) {
        options = (struct etcd_http_options){
                .endpoints = nodes.endpoints, .timeout_ns = INT64_C(10000000000), .username = "",
                .password_file = "", .ca_file = etcd_nodes_path(&nodes, "ca.pem"),
                .cert_file = etcd_nodes_path(&nodes, "host.pem"),
                .key_file = etcd_nodes_path(&nodes, "host.key"), .errors = &errors,
                .breakers = &breakers };
}

/* One list and one commit below the prefix, whichever fails first. */
static int try(const char *prefix) {
        struct etcd_coordinator etcd = { .prefix = prefix };
        struct coordinator_list list = { .n = 0 };
        struct coordinator_write write = { "try", "x", false, 0 };
        const struct coordinator_commit commit = { NULL, 0, &write, 1 };
        int r;

        cr_assert_eq(etcd_http_new(&etcd.http, &options), 0);
        r = etcd_calls.list(&etcd, "try", &list);
        if (r == 0)
                r = etcd_calls.commit(&etcd, &commit);
        coordinator_list_clear(&list);
        etcd_http_free(etcd.http);
        return r;
}

static void expect_refused(int error, const char *words) {
        (void)capture_take();
        cr_expect_eq(try("/sfshm"), error, "%s", words);
        cr_assert_contains(capture_take(), words);
}

static void write_password(const char *text) {
        int fd = open(etcd_nodes_path(&nodes, "password"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

        cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        close(fd);
}

static void copy(const char *from, const char *to) {
        char command[2 * SCRATCH_MAX + 64];

        snprintf(command, sizeof(command), "cp %s %s", etcd_nodes_path(&nodes, from),
                 etcd_nodes_path(&nodes, to));
        cr_assert_eq(system(command), 0, "%s", command);
}

static void ctl(char *const arguments[]) {
        char *text = etcd_nodes_ctl(&nodes, arguments);

        cr_assert_not_null(text, "etcdctl %s %s", arguments[0], arguments[1]);
        free(text);
}
#define CTL(...) ctl((char *[]){ __VA_ARGS__, NULL })

static void begin(void) {
        etcd_nodes_begin(&nodes);
        etcd_nodes_certify(&nodes, "host", "/O=test");
        etcd_nodes_certify(&nodes, "named", "/CN=sfshm");
        right();
}

/* "writer" may write below /sfshm, "reader" only read. */
static void enable_users(void) {
        CTL("user", "add", "root:word");
        CTL("user", "grant-role", "root", "root");
        CTL("role", "add", "writes");
        CTL("role", "grant-permission", "writes", "--prefix=true", "readwrite", "/sfshm/");
        CTL("role", "add", "reads");
        CTL("role", "grant-permission", "reads", "--prefix=true", "read", "/sfshm/");
        CTL("user", "add", "writer:secret");
        CTL("user", "grant-role", "writer", "writes");
        CTL("user", "add", "reader:secret");
        CTL("user", "grant-role", "reader", "reads");
        CTL("auth", "enable");
        strcpy(nodes.user, "root:word");
}

static void certificates_are_checked(void) {
        static char plain[1024];

        cr_expect_eq(try("/sfshm"), 0);
        options.ca_file = etcd_nodes_path(&nodes, "host.pem"); /* not the one that signed */
        expect_refused(-EACCES, "must be signed by one in etcd.ca_file");
        options.ca_file = etcd_nodes_path(&nodes, "none.pem");
        expect_refused(-EACCES, "correct etcd.ca_file");
        right();
        options.cert_file = options.key_file = "";
        expect_refused(-EIO, "if it wants a certificate of this host, set etcd.cert_file");
        snprintf(plain, sizeof(plain), "http%s", nodes.endpoints + strlen("https"));
        options.endpoints = plain;
        expect_refused(-EIO, "if it wants TLS, say https:// in etcd.endpoints");
        right();
        options.key_file = etcd_nodes_path(&nodes, "server.key"); /* another one's */
        expect_refused(-EACCES, "correct etcd.cert_file and etcd.key_file");
        right();
}

/* It asked at the terminal for the pass phrase, and the daemon stood still. */
static void a_key_with_a_pass_phrase_is_refused(void) {
        char command[600];

        snprintf(command, sizeof(command), "openssl ec -in %s -aes128 -passout pass:word -out %s "
                 "2>/dev/null", etcd_nodes_path(&nodes, "host.key"),
                 etcd_nodes_path(&nodes, "locked.key"));
        cr_assert_eq(system(command), 0);
        options.key_file = etcd_nodes_path(&nodes, "locked.key");
        expect_refused(-EACCES, "a key without a pass phrase");
        right();
}

static void users_are_checked(void) {
        expect_refused(-EACCES, "set etcd.username and etcd.password_file");
        options.username = "writer";
        options.password_file = etcd_nodes_path(&nodes, "password");
        write_password("secret");
        cr_expect_eq(try("/sfshm"), 0);
        write_password("secret\n");
        cr_expect_eq(try("/sfshm"), 0, "as editors leave it");
        cr_expect_eq(try("/other"), -EACCES);
        write_password("Secret\n");
        expect_refused(-EACCES, "correct etcd.username, or the first line of etcd.password_file");
        write_password("secret\n");
        options.username = "nobody";
        expect_refused(-EACCES, "correct etcd.username");
        options.username = "reader";
        expect_refused(-EACCES, "read and write below etcd.prefix");
        options.username = "writer";
        options.cert_file = etcd_nodes_path(&nodes, "named.pem");
        options.key_file = etcd_nodes_path(&nodes, "named.key");
        expect_refused(-EACCES, "must not have a CN");
        right();
}

Test(etcd_tls, who_may_not_is_told_what_to_do) {
        capture_begin();
        begin();
        certificates_are_checked();
        a_key_with_a_pass_phrase_is_refused();
        options.username = "writer";
        options.password_file = etcd_nodes_path(&nodes, "password");
        write_password("secret");
        expect_refused(-EACCES, "leave out etcd.username and etcd.password_file");
        right();
        enable_users();
        users_are_checked();
        etcd_nodes_end(&nodes);
}

static void prepare(struct private_daemon *d) {
        etcd_daemon_prepare(d, nodes.endpoints);
        private_daemon_set(d, "etcd.ca_file=%s", etcd_nodes_path(&nodes, "ca.pem"));
        private_daemon_set(d, "etcd.cert_file=%s", etcd_nodes_path(&nodes, "host.pem"));
        private_daemon_set(d, "etcd.key_file=%s", etcd_nodes_path(&nodes, "host.key"));
        private_daemon_set(d, "etcd.username=writer");
        private_daemon_set(d, "etcd.password_file=%s", etcd_nodes_path(&nodes, "password"));
}

/* Tokens end in the middle of renewals, and nobody notices. Red when a token is not
 * asked for anew. Then the role goes, and comes back. */
Test(etcd_tls, a_daemon_goes_on_over_the_end_of_its_tokens) {
        struct private_daemon d;
        uint64_t id;

        begin();
        enable_users();
        prepare(&d);
        write_password("secret\n");
        private_daemon_start(&d);
        wait_for_renewals(&nodes, 3); /* every two to three seconds */
        cr_expect_eq(private_daemon_next(&d, &id), 0);
        cr_expect_not(log_says(&d, "fence-write"));
        cr_expect_not(log_says(&d, "etcd-refused"));

        CTL("user", "revoke-role", "writer", "writes");
        wait_for_log(&d, "event=fence-write");
        expect_log(&d, "read and write below etcd.prefix");
        cr_expect_eq(private_daemon_next(&d, &id), 0, "up to the fence");
        CTL("user", "grant-role", "writer", "writes");
        wait_for_log(&d, "event=fence-recovered");
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        etcd_nodes_end(&nodes);
}

/* Nothing but the files changes while it waits and while it serves. */
Test(etcd_tls, passwords_and_certificates_are_live) {
        struct private_daemon d;
        uint64_t id;

        begin();
        enable_users();
        prepare(&d);
        private_daemon_set(&d, "etcd.ca_file=%s", etcd_nodes_path(&nodes, "trusted.pem"));
        copy("ca.pem", "trusted.pem");
        write_password("secret\n");
        private_daemon_begin_space(&d);
        write_password("wrong\n");
        private_daemon_spawn(&d);
        wait_for_log(&d, "event=etcd-access");
        expect_log(&d, "event=etcd-refused");
        write_password("secret\n");
        wait_for_log(&d, "event=start)");

        CTL("user", "delete", "writer");
        CTL("user", "add", "writer:other");
        CTL("user", "grant-role", "writer", "writes");
        wait_for_log(&d, "event=fence-write");
        write_password("other\n");
        wait_for_log(&d, "event=fence-recovered");
        forget_log(&d);

        etcd_nodes_kill(&nodes, 0);
        etcd_nodes_new_authority(&nodes);
        etcd_nodes_start(&nodes, 0);
        etcd_nodes_wait(&nodes);
        wait_for_log(&d, "must be signed by one in etcd.ca_file");
        etcd_nodes_certify(&nodes, "host", "/O=test");
        copy("ca.pem", "trusted.pem");
        private_daemon_signal(&d, SIGHUP, false);
        wait_for_log(&d, "event=fence-recovered");
        cr_expect_eq(private_daemon_next(&d, &id), 0);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        etcd_nodes_end(&nodes);
}
