/* SPDX-License-Identifier: MIT */
/* What renewals leave on the disk of a real ZooKeeper, before and after old transaction logs
 * are removed. The figures of docs/fleet.md. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/lease/zookeeper/calls.h"
#include "daemon/lease/zookeeper/handle.h"
#include "daemon/lease/zookeeper/session.h"
#include "tests/integration/support/renewing.h"
#include "tests/support/zookeeper_server.h"

TestSuite(zookeeper_cost, .timeout = 200);

#define SECOND INT64_C(1000000000)
#define RENEWALS 3000u
#define RESTARTS 4u /* each begins a log and writes a snapshot */

static struct zookeeper_server server;
static _Atomic int64_t errors;
static struct zookeeper_coordinator zookeeper = { NULL, "/sfshm", 10 * SECOND, 0 };

static void begin(void) {
        struct zookeeper_options options = { .ttl_ns = 10 * SECOND, .username = "",
                                             .password_file = "", .errors = &errors };

        zookeeper_server_begin(&server, 1);
        options.hosts = server.hosts;
        cr_assert_eq(zookeeper_session_new(&zookeeper.session, &options), 0);
}

static void end(void) {
        zookeeper_session_free(zookeeper.session);
        zookeeper_server_end(&server);
}

/* What autopurge does every autopurge.purgeInterval hours. */
static void purge(void) {
        char command[600];

        snprintf(command, sizeof(command), "java -Xmx96m -cp /usr/share/java/zookeeper.jar:"
                 "/usr/share/java/slf4j-simple.jar org.apache.zookeeper.server.PurgeTxnLog "
                 "%s/0/data %s/0/data -n 3 >/dev/null 2>&1", server.directory, server.directory);
        cr_assert_eq(system(command), 0, "%s", command);
}

Test(zookeeper_cost, a_renewal_is_one_short_transaction_and_a_purge_removes_it) {
        struct renewing host = { .fleet = NULL };
        int64_t before, after, each;

        begin();
        renewing_begin(&host, &zookeeper_calls, &zookeeper);
        renewing_renew(&host, 1);
        before = bytes_below(server.directory);
        renewing_renew(&host, RENEWALS);
        after = bytes_below(server.directory);
        each = (after - before) / RENEWALS;
        fprintf(stderr, "ZooKeeper: %lld bytes of log for each renewal\n", (long long)each);
        cr_expect_lt(each, 1200);
        for (unsigned i = 0; i < RESTARTS; i++) {
                zookeeper_server_stop(&server);
                zookeeper_server_start(&server);
                renewing_renew(&host, 1);
        }
        fprintf(stderr, "ZooKeeper: %lld bytes on the disk, ", (long long)bytes_below(server.directory));
        purge();
        fprintf(stderr, "%lld with three snapshots and their logs\n",
                (long long)bytes_below(server.directory));
        cr_expect_lt(bytes_below(server.directory), after / 2);
        renewing_end(&host);
        end();
}
