/* SPDX-License-Identifier: MIT */
/* The metrics and events of a lease, with a real etcd that goes away and comes back. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/tool.h"
#include "tests/support/etcd_server.h"
#include "tests/support/private_daemon.h"

TestSuite(lease_metrics, .timeout = 200);

static struct private_daemon d;
static struct tool_result result;

/* Of the counter; -1: there is none. */
static double value_of(const char *name) {
        char line[128];
        const char *at;

        tool_run(&result, "SFSHM_STAT_TOOL",
                 TOOL_ARGUMENTS("--prometheus", "--shm", d.shm, "--socket", d.socket), "", 0);
        cr_assert_eq(result.status, 0, "%s", result.err);
        snprintf(line, sizeof(line), "\n%s ", name);
        at = strstr(result.out, line);
        return at == NULL ? -1 : strtod(at + strlen(line), NULL);
}

static bool is_one_or_more(void *name) {
        return value_of(name) >= 1;
}

static bool is_zero(void *name) {
        return value_of(name) == 0;
}

#define WAIT(condition, name) \
        cr_assert(wait_until(condition, (void *)name, 60000), "%s is %f", name, value_of(name))

static void expect_log(const char *part) {
        char *log = private_daemon_log(&d);

        cr_assert_not_null(strstr(log, part), "the log does not say \"%s\":\n%s", part, log);
        free(log);
}

/* Red when a value is not copied into the snapshot. */
Test(lease_metrics, tell_of_an_outage) {
        struct etcd_server etcd;

        etcd_server_begin(&etcd);
        private_daemon_prepare(&d);
        memmove(d.sets[0], d.sets[1], sizeof(d.sets[0]) * --d.n_sets); /* workers.first=0 */
        private_daemon_set(&d, "workers.backend=etcd");
        private_daemon_set(&d, "etcd.endpoints=%s", etcd.url);
        private_daemon_set(&d, "etcd.ttl=6s");
        private_daemon_start(&d);
        expect_log("event=lease-claimed");
        WAIT(is_one_or_more, "sfshm_lease_renewal_seconds_count");
        cr_assert_gt(value_of("sfshm_lease_renewal_seconds_sum"), 0);
        cr_assert_eq(value_of("sfshm_worker_claims_total"), 1);
        cr_assert_eq(value_of("sfshm_workers_free"), 1024);
        cr_assert_eq(value_of("sfshm_coordinator_breakers_open"), 0);
        cr_assert_gt(value_of("sfshm_fence_ahead_seconds"), 60);
        cr_assert_gt(value_of("sfshm_lease_expiry_timestamp_seconds"), 1e9);
        etcd_server_stop(&etcd);
        WAIT(is_one_or_more, "sfshm_coordinator_breakers_open");
        WAIT(is_one_or_more, "sfshm_coordinator_errors_total");
        WAIT(is_one_or_more, "sfshm_lease_expirations_total");
        expect_log("event=lease-expired");
        etcd_server_start(&etcd);
        WAIT(is_zero, "sfshm_coordinator_breakers_open");
        tool_run(&result, "SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--shm", d.shm, "--socket", d.socket),
                 "", 0);
        cr_assert(strstr(result.out, "lease      until ") && strstr(result.out, "1 times expired"),
                  "%s", result.out);
        tool_run(&result, "SFSHM_STAT_TOOL",
                 TOOL_ARGUMENTS("--json", "--shm", d.shm, "--socket", d.socket), "", 0);
        cr_assert(strstr(result.out, "\"lease_renewal\":[") != NULL, "%s", result.out);
        private_daemon_stop(&d);
        expect_log("event=lease-revived");
        expect_log("event=lease-released");
        private_daemon_remove(&d);
        etcd_server_end(&etcd);
}
