/* SPDX-License-Identifier: MIT */
/* A region of many hosts: real daemons and tools on a real coordinator that has the records
 * of 33,000 others. Built once for each, as SFSHM_TEST_COORDINATOR says. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/config/config.h"
#include "daemon/lease/backends.h"
#include "daemon/lease/fleet/backend.h"
#include "daemon/lease/keys/commit.h"
#include "tests/integration/support/daemon_log.h"
#include "tests/support/coordinator.h"
#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"
#include "tests/support/zookeeper_server.h"

#define HOSTS 33000u
#define SECOND INT64_C(1000000000)

TestSuite(many_hosts, .timeout = 300);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon d;
static struct tool_result result;
static struct lease_counters counters;
static struct fleet_connection connection;
static const struct fleet_space space = {
        { .tick_bits = 41, .worker_bits = 16, .sequence_bits = 6,
          .epoch_unix_ms = INT64_C(1735689600000) }, 0 };

/* ---- the others, who have stopped for good: nobody renews */

static void connect_to(const struct fleet_kind **ret_kind) {
        const char *url = coordinator->url();
        struct config config = {
                .backend = (char *)coordinator->name,
                .etcd_endpoints = (char *)url, .etcd_prefix = "/sfshm", .etcd_ttl_ns = 60 * SECOND,
                .etcd_username = "", .etcd_password_file = "", .etcd_ca_file = "",
                .etcd_cert_file = "", .etcd_key_file = "",
                .zookeeper_hosts = (char *)url + strlen("http://"),
                .zookeeper_prefix = "/sfshm", .zookeeper_ttl_ns = 60 * SECOND,
                .zookeeper_username = "", .zookeeper_password_file = "",
        };
        int64_t ttl_ns;

        *ret_kind = backends_coordinator(&config);
        cr_assert_eq((*ret_kind)->connect(&config, &counters, &connection), 0);
        cr_assert_eq(connection.calls->session_begin(connection.coordinator, 60 * SECOND, &ttl_ns),
                     0);
}

static void put_host(struct fleet_commit *commit, uint32_t worker) {
        struct record_host record = { .since_unix_ms = 1, .fence_tick = 1, .renewals = 1 };
        const char *alive;

        snprintf(record.nonce, RECORD_HEX, "%08" PRIx32 "%024x", worker * UINT32_C(2654435761), 1u);
        snprintf(record.life, RECORD_HEX, "%08" PRIx32 "%024x", worker * UINT32_C(2246822519), 2u);
        memset(record.who.machine_id, 'a', RECORD_HEX - 1);
        memset(record.who.boot_id, 'b', RECORD_HEX - 1);
        snprintf(record.who.host, RECORD_NAME, "host-%" PRIu32, worker);
        snprintf(record.who.directory, RECORD_NAME, "64769:%" PRIu32, worker);
        worker_set_add(&record.workers, worker);
        fleet_commit_record(commit, &record, 0);
        alive = fleet_commit_key(commit, "alive", record.life);
        fleet_commit_check(commit, alive, 0);
        fleet_commit_write(commit, alive, record_alive_text(&record), false);
}

static uint32_t put_some(uint32_t from, uint32_t hosts) {
        struct fleet_commit some = { .space = &space };
        int r;

        for (; from < hosts && some.n_writes + 2 <= COORDINATOR_COMMIT_MAX; from++)
                put_host(&some, from);
        r = fleet_commit_send(&some, connection.calls, connection.coordinator);
        cr_assert_eq(r, 0, "%d at host %" PRIu32, r, from);
        return from;
}

static void put_region(uint32_t hosts) {
        static struct fleet_view view;
        static struct worker_set workers;
        struct fleet_commit region = { .space = &space };

        for (uint32_t w = 0; w < hosts; w++)
                worker_set_add(&workers, w);
        view.contract.layout = space.layout;
        memcpy(view.contract.space, "0123456789abcdef0123456789abcdef", RECORD_HEX);
        fleet_commit_region(&region, &view, &workers);
        cr_assert_eq(fleet_commit_send(&region, connection.calls, connection.coordinator), 0);
        for (uint32_t w = 0; w < hosts;)
                w = put_some(w, hosts);
}

static void begin(uint32_t hosts) {
        const struct fleet_kind *kind;

        setenv(ZOOKEEPER_HEAP, "-Xmx512m", 1);
        coordinator->begin();
        connect_to(&kind);
        put_region(hosts);
        kind->disconnect(&connection);
        private_daemon_prepare(&d);
        coordinator->configure(&d);
        private_daemon_set(&d, "id.layout=41/16/6");
        private_daemon_set(&d, "%s.ttl=60s", coordinator->name); /* a page may take a sixth */
}

static void end(void) {
        private_daemon_remove(&d);
        coordinator->end();
}

static uint32_t next_worker(void) {
        sfshm *s = private_daemon_open(&d, 0);
        struct sfshm_layout layout;
        struct sfshm_parts parts;
        uint64_t id = 0;

        cr_assert_eq(sfshm_set_timeout(s, 60 * SECOND), 0);
        cr_assert_eq(sfshm_next(s, &id), 0);
        cr_assert_eq(sfshm_get_layout(s, &layout), 0);
        cr_assert_eq(sfshm_decode(&layout, id, &parts), 0);
        sfshm_close(s);
        return parts.worker;
}

static double cpu_ms(void) {
        struct rusage used;

        getrusage(RUSAGE_CHILDREN, &used);
        return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static void start(const char *what) {
        int64_t from_ns = test_monotonic_ns();

        private_daemon_start(&d);
        fprintf(stderr, "%s: %.0f ms\n", what, (double)(test_monotonic_ns() - from_ns) / 1e6);
}

/* Starts, restarts and looks, and says how long each took. */
static void try_with(uint32_t hosts) {
        int64_t from_ns;
        double before_ms;

        begin(hosts);
        fprintf(stderr, "%u other hosts\n", hosts);
        start("a start");
        cr_assert_eq(next_worker(), hosts, "never used, and so without a list");
        private_daemon_signal(&d, SIGKILL, true);
        start("a restart");
        cr_assert_eq(next_worker(), hosts);
        from_ns = test_monotonic_ns();
        before_ms = cpu_ms();
        cr_assert_eq(tool_run_with(&result, &d, TOOL_ARGUMENTS("workers")), 0, "%s", result.err);
        fprintf(stderr, "sfshm workers: %.0f ms, of which %.0f ms are its CPU time\n",
                (double)(test_monotonic_ns() - from_ns) / 1e6, cpu_ms() - before_ms);
        private_daemon_stop(&d);
        end();
}

/* Red while a claim lists the region: etcd's answer was longer than it may be. */
Test(many_hosts, start_and_restart_and_are_listed) {
        try_with(HOSTS);
        cr_assert_not_null(strstr(result.out, "host-0\n"));
        cr_assert_not_null(strstr(result.out, "host-999\n")); /* as much of it as is kept */
}

/* The figures of docs/fleet.md. */
Test(many_hosts, figures) {
        static const uint32_t hosts[] = { 0, 1000, 16000, 33000 };

        if (getenv("SFSHM_LONG") == NULL)
                cr_skip_test("figures: only with --long");
        for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
                try_with(hosts[i]);
}
