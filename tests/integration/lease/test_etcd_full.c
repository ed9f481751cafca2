/* SPDX-License-Identifier: MIT */
/* A database of etcd that is full of old revisions (NOSPACE), and the operator's recipe, as
 * the log has it: hosts that run go on, during and after it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/integration/support/etcd_daemon.h"

TestSuite(etcd_full, .timeout = 200);

#define QUOTA (2u << 20)
#define VALUE 100000u

static struct etcd_nodes nodes = { .n = 1, .quota = QUOTA };
static struct private_daemon d[2];

/* Each is a revision more. */
static void fill(void) {
        char *value = malloc(VALUE + 1), *text;

        memset(value, 'x', VALUE);
        value[VALUE] = '\0';
        for (unsigned i = 0; (text = NODES_CTL(&nodes, "put", "/other/key", value)) != NULL; i++) {
                free(text);
                cr_assert_lt(i, 2 * QUOTA / VALUE, "it is never full");
        }
        free(value);
        text = NODES_CTL(&nodes, "alarm", "list");
        cr_assert(text != NULL && strstr(text, "alarm:NOSPACE") != NULL, "%s", text);
        free(text);
}

static void ctl(char *const arguments[]) {
        char *text = etcd_nodes_ctl(&nodes, arguments);

        cr_assert_not_null(text, "etcdctl %s", arguments[0]);
        free(text);
}

static void follow_the_recipe(void) {
        char *text = NODES_CTL(&nodes, "endpoint", "status", "-w", "json"), revision[24];
        const char *at = text != NULL ? strstr(text, "\"revision\":") : NULL;

        cr_assert_not_null(at, "%s", text);
        snprintf(revision, sizeof(revision), "%s", at + strlen("\"revision\":"));
        revision[strspn(revision, "0123456789")] = '\0';
        free(text);
        ctl((char *[]){ "compact", revision, NULL });
        ctl((char *[]){ "defrag", "--cluster", NULL });
        ctl((char *[]){ "alarm", "disarm", NULL });
}

static unsigned count_in_log(const struct private_daemon *daemon, const char *part) {
        char *log = private_daemon_log(daemon);
        unsigned n = 0;

        for (const char *at = log; (at = strstr(at, part)) != NULL; at++)
                n++;
        free(log);
        return n;
}

static void expect_worker(unsigned host) {
        uint64_t id;

        cr_assert_eq(private_daemon_next(&d[host], &id), 0);
        cr_assert_eq(etcd_daemon_worker(id), host);
}

/* Red when the pair of lines ends with any answer: keep-alives are answered all the time. */
Test(etcd_full, hosts_go_on_when_it_has_room_again) {
        etcd_nodes_begin(&nodes);
        for (unsigned i = 0; i < 2; i++) {
                etcd_daemon_prepare(&d[i], nodes.endpoints);
                private_daemon_start(&d[i]);
                expect_worker(i);
        }
        wait_for_renewals(&nodes, 1);
        fill();
        for (unsigned i = 0; i < 2; i++) {
                wait_for_log(&d[i], "database space exceeded: etcd's quota is used up");
                expect_log(&d[i], "'compact REVISION'");
                wait_for_log(&d[i], "event=fence-write");
                wait_for_log(&d[i], "event=lease-expired"); /* some renewals later */
                expect_worker(i);
        }
        follow_the_recipe();
        for (unsigned i = 0; i < 2; i++) {
                wait_for_log(&d[i], "event=fence-recovered");
                expect_log(&d[i], "event=lease-revived");
                expect_worker(i);
                cr_expect_eq(count_in_log(&d[i], "event=etcd-away"), 1);
                cr_expect_eq(count_in_log(&d[i], "event=etcd-back"), 1);
                cr_expect_eq(count_in_log(&d[i], "event=lease-lost"), 0);
        }
        wait_for_renewals(&nodes, 1);
        for (unsigned i = 0; i < 2; i++) {
                private_daemon_stop(&d[i]);
                private_daemon_remove(&d[i]);
        }
        etcd_nodes_end(&nodes);
}
