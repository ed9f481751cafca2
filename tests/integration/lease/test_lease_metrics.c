/* SPDX-License-Identifier: MIT */
/* The metrics and events of a lease, with a real coordinator that goes away and comes back. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/coordinator.h"
#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"

TestSuite(lease_metrics, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon d;
static struct tool_result result;

/* Of the counter; -1: there is none. */
static double value_of(const char *name) {
        char line[128];
        const char *at;

        tool_run(&result, "SFSHM_STAT_TOOL",
                 TOOL_ARGUMENTS("--prometheus", "--socket", d.socket), "", 0);
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

/* ZooKeeper's library has none: it tries the servers in turn. */
static bool has_breakers(void) {
        return strcmp(coordinator->name, "etcd") == 0;
}

/* Red when a value is not copied into the snapshot. */
Test(lease_metrics, tell_of_an_outage) {
        coordinator->begin();
        private_daemon_prepare(&d);
        coordinator->configure(&d);
        private_daemon_start(&d);
        expect_log(&d, "event=lease-claimed");
        WAIT(is_one_or_more, "sfshm_lease_renewal_seconds_count");
        cr_assert_gt(value_of("sfshm_lease_renewal_seconds_sum"), 0);
        cr_assert_eq(value_of("sfshm_worker_claims_total"), 1);
        cr_assert_geq(value_of("sfshm_region_workers{state=\"free\"}"), 1023);
        WAIT(is_one_or_more, "sfshm_region_workers{state=\"held\"}"); /* read anew */
        cr_assert_eq(value_of("sfshm_coordinator_breakers_open"), 0);
        cr_assert_gt(value_of("sfshm_fence_ahead_seconds"), 60);
        cr_assert_gt(value_of("sfshm_lease_expiry_timestamp_seconds"), 1e9);
        coordinator->stop();
        if (has_breakers())
                WAIT(is_one_or_more, "sfshm_coordinator_breakers_open");
        WAIT(is_one_or_more, "sfshm_coordinator_errors_total");
        WAIT(is_one_or_more, "sfshm_lease_expirations_total");
        expect_log(&d, "event=lease-expired");
        coordinator->start();
        WAIT(is_zero, "sfshm_coordinator_breakers_open");
        wait_for_log(&d, "event=lease-revived");
        tool_run(&result, "SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--socket", d.socket),
                 "", 0);
        cr_assert(strstr(result.out, "lease      until ") && strstr(result.out, "1 times expired"),
                  "%s", result.out);
        tool_run(&result, "SFSHM_STAT_TOOL",
                 TOOL_ARGUMENTS("--json", "--socket", d.socket), "", 0);
        cr_assert(strstr(result.out, "\"lease_renewal\":{\"sum_ns\":") != NULL, "%s", result.out);
        private_daemon_stop(&d);
        expect_log(&d, "event=lease-released");
        private_daemon_remove(&d);
        coordinator->end();
}

/* Its record under another name: another host has its worker IDs. */
static void give_away_its_worker_ids(void) {
        char *key = coordinator->list("region/0/host/"), *value = key, nonce[33];
        char *other;

        (void)strsep(&value, " ");
        value[strcspn(value, "\n")] = '\0';
        snprintf(nonce, sizeof(nonce), "%s", strrchr(key, '/') + 1);
        coordinator->remove(key);
        for (char *at = value; (at = strstr(at, nonce)) != NULL;)
                memset(at, 'a', strlen(nonce));
        other = strstr(value, "\"life\"");
        cr_assert_not_null(other);
        memset(strchr(strchr(other, ':'), '"') + 1, 'b', strlen(nonce));
        memset(strrchr(key, '/') + 1, 'a', strlen(nonce));
        coordinator->put(key, value);
        free(key);
}

/* Red when the last numbers of a daemon that ends are not written, or the next one with
 * other worker IDs does not read them. */
Test(lease_metrics, a_loss_is_counted_beyond_the_daemon) {
        int status;

        coordinator->begin();
        private_daemon_prepare(&d);
        coordinator->configure(&d);
        private_daemon_start(&d);
        WAIT(is_one_or_more, "sfshm_lease_renewal_seconds_count");
        give_away_its_worker_ids();
        wait_for_log(&d, "event=lease-lost");
        status = private_daemon_signal(&d, 0, true);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned)status);
        for (int starts = 0; starts < 2; starts++) {
                private_daemon_start(&d);
                WAIT(is_one_or_more, "sfshm_worker_conflicts_total{kind=\"lost\"}");
                cr_assert_eq(value_of("sfshm_worker_conflicts_total{kind=\"lost\"}"), 1);
                cr_assert_eq(value_of("sfshm_worker_conflicts_total{kind=\"race\"}"), 0);
                private_daemon_stop(&d);
        }
        private_daemon_remove(&d);
        coordinator->end();
}
