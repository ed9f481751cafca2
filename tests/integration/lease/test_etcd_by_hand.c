/* SPDX-License-Identifier: MIT */
/* etcd alone (any coordinator: test_by_hand.c): the operator revokes or replaces the etcd
 * leases of a host's keys (F1). */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/integration/support/etcd_daemon.h"

TestSuite(etcd_by_hand, .timeout = 200);

static struct etcd_nodes nodes = { .n = 1 };
static struct private_daemon d, other;

static void begin(void) {
        etcd_nodes_begin(&nodes);
        etcd_daemon_prepare(&d, nodes.endpoints);
        etcd_daemon_prepare(&other, nodes.endpoints);
        private_daemon_set(&d, "workers.horizon=4s");
        private_daemon_set(&d, "reserve.standing=1s");
}

static void end(void) {
        private_daemon_remove(&d);
        private_daemon_remove(&other);
        etcd_nodes_end(&nodes);
}

static void ctl(char *const arguments[]) {
        char *text = etcd_nodes_ctl(&nodes, arguments);

        cr_assert_not_null(text, "etcdctl %s %s", arguments[0], arguments[1]);
        free(text);
}
#define CTL(...) ctl((char *[]){ __VA_ARGS__, NULL })

/* The etcd lease of a key, as text; "" without one. */
static void lease_of(const char *prefix, char text[32]) {
        char *json = NODES_CTL(&nodes, "get", "--prefix", (char *)prefix, "-w", "json");
        const char *at = strstr(json, "\"lease\":");

        cr_assert_not_null(strstr(json, "\"kvs\""), "there is no key below %s", prefix);
        snprintf(text, 32, "%s", at != NULL ? at + 8 : "");
        text[strspn(text, "0123456789")] = '\0';
        free(json);
}

/* The gateway ignores what it does not know: a mistyped "lease" would make a sign of
 * life that never ends, and one at a record a fence that does. */
Test(etcd_by_hand, the_etcd_lease_is_where_it_should_be) {
        char text[32];
        uint64_t id;

        begin();
        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        lease_of("/sfshm/region/0/alive/", text);
        cr_expect_str_neq(text, "");
        lease_of("/sfshm/region/0/host/", text);
        cr_expect_str_eq(text, "");
        lease_of("/sfshm/region/0/used", text);
        cr_expect_str_eq(text, "");
        lease_of("/sfshm/contract", text);
        cr_expect_str_eq(text, "");
        private_daemon_stop(&d);
        end();
}

static bool alive_again(void *old) {
        char *json = NODES_CTL(&nodes, "get", "--prefix", "/sfshm/region/0/alive/", "-w", "json");
        bool yes = strstr(json, "\"lease\":") != NULL && strstr(json, old) == NULL;

        free(json);
        return yes;
}

/* Red when the status of a keepalive is all that is looked at. */
Test(etcd_by_hand, a_revoked_etcd_lease_is_begun_anew) {
        char text[32], hex[32];
        uint64_t id;
        unsigned worker;

        begin();
        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        worker = etcd_daemon_worker(id);
        lease_of("/sfshm/region/0/alive/", text);
        snprintf(hex, sizeof(hex), "%llx", strtoull(text, NULL, 10));
        CTL("lease", "revoke", hex);
        cr_assert(wait_until(alive_again, text, 60000));
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        cr_expect_eq(etcd_daemon_worker(id), worker);
        cr_expect_not(log_says(&d, "event=lease-lost"));
        private_daemon_stop(&d);
        end();
}
