/* SPDX-License-Identifier: MIT */
/* What renewals leave in a real etcd, before and after it compacts. The figures of
 * docs/fleet.md. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/etcd/calls.h"
#include "tests/integration/support/renewing.h"
#include "tests/support/etcd_nodes.h"

TestSuite(etcd_cost, .timeout = 200);

#define RENEWALS 3000u

static struct etcd_nodes nodes = { .n = 1 };
static _Atomic int64_t errors, breakers;
static struct etcd_coordinator etcd = { .prefix = "/sfshm" };

static void begin(void) {
        const struct etcd_http_options options = {
                .endpoints = nodes.endpoints, .timeout_ns = INT64_C(10000000000), .username = "",
                .password_file = "", .ca_file = "", .cert_file = "", .key_file = "",
                .errors = &errors, .breakers = &breakers };

        etcd_nodes_begin(&nodes);
        cr_assert_eq(etcd_http_new(&etcd.http, &options), 0);
}

static void end(void) {
        etcd_http_free(etcd.http);
        etcd_nodes_end(&nodes);
}

static int64_t status(const char *name) {
        char *text = NODES_CTL(&nodes, "endpoint", "status", "-w", "json");
        const char *at = text != NULL ? strstr(text, name) : NULL;
        int64_t number;

        cr_assert_not_null(at, "no %s in %s", name, text != NULL ? text : "nothing");
        number = strtoll(at + strlen(name), NULL, 10);
        free(text);
        return number;
}

#define DATABASE "\"dbSize\":"
#define IN_USE "\"dbSizeInUse\":"
#define REVISION "\"revision\":"

static void compact(void) {
        char revision[32];

        snprintf(revision, sizeof(revision), "%lld", (long long)status(REVISION));
        free(NODES_CTL(&nodes, "compact", "--physical", revision));
        free(NODES_CTL(&nodes, "defrag"));
}

/* Red when a renewal writes more than its record, or more than once. */
Test(etcd_cost, a_renewal_is_one_short_revision_and_compaction_removes_it) {
        struct renewing host = { .fleet = NULL };
        int64_t revision, database, each;

        begin();
        renewing_begin(&host, &etcd_calls, &etcd);
        renewing_renew(&host, 1);
        compact();
        revision = status(REVISION);
        database = status(IN_USE);
        renewing_renew(&host, RENEWALS);
        cr_expect_eq(status(REVISION) - revision, RENEWALS);
        each = (status(IN_USE) - database) / RENEWALS;
        fprintf(stderr, "etcd: %lld bytes of history for each renewal\n", (long long)each);
        cr_expect_lt(each, 1200);
        fprintf(stderr, "etcd: %lld bytes of database before compaction, ", (long long)status(DATABASE));
        compact();
        fprintf(stderr, "%lld after compaction and defragmentation\n", (long long)status(DATABASE));
        cr_expect_lt(status(IN_USE), 100000);
        fprintf(stderr, "etcd: %lld bytes of logs and snapshots\n",
                (long long)(bytes_below(nodes.directory) - status(DATABASE)));
        renewing_end(&host);
        end();
}
