/* SPDX-License-Identifier: MIT */
/*
 * Any coordinator (etcd alone: test_etcd_away.c): it hangs, refuses, or is away for longer
 * than the horizon, and delays neither a tick nor a client (F1, U3). Built once for each
 * coordinator, as SFSHM_TEST_COORDINATOR says.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/coordinator.h"
#include "tests/support/notify_socket.h"
#include "tests/support/relay.h"
#include "tests/support/tool.h"

TestSuite(away, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon d;
static struct tool_result result;
static struct relay *relay;

/* Of a daemon that reaches it through a relay. */
static void begin(void) {
        char place[192];

        coordinator->begin();
        relay = relay_new(coordinator->url(), RELAY_PASS);
        private_daemon_prepare(&d);
        coordinator->configure(&d);
        coordinator->setting_at(relay_url(relay), place);
        private_daemon_set(&d, "%s", place);
}

static void end(void) {
        private_daemon_stop(&d); /* it ends, though it may not be able to release */
        relay_free(relay);
        private_daemon_remove(&d);
        coordinator->end();
}

/* ---- longer than the horizon */

static int id_now(sfshm *s) {
        uint64_t id;

        return sfshm_next(s, &id);
}

struct id_wait {
        sfshm *s;
        int error;
};

static bool id_wait_over(void *context) {
        const struct id_wait *wait = context;
        int r = id_now(wait->s);

        cr_assert(r == 0 || r == -ETIME || r == -EAGAIN, "%s", sfshm_strerror(r));
        return r == wait->error;
}

static void wait_for_id(sfshm *s, int error) {
        struct id_wait wait = { s, error };

        cr_assert(wait_until(id_wait_over, &wait, 60000), "no \"%s\"", sfshm_strerror(error));
}

static void expect_tool(const char *variable, const char *const arguments[], const char *words) {
        setenv("SFSHM_SOCKET", d.socket, 1); /* of sfshm next */
        tool_run(&result, variable, arguments, "", 0);
        cr_expect(strstr(result.out, words) != NULL || strstr(result.err, words) != NULL,
                  "no \"%s\" in \"%s%s\"", words, result.out, result.err);
}

/* IDs up to the fence, then -ETIME and the reason, which is the coordinator and no
 * disk; and by itself again. Red when the error is told by strerror(). */
static void outlive(enum relay_manner manner, const char *words) {
        sfshm *s = private_daemon_open(&d, 0);
        char remedy[96];

        cr_assert_eq(sfshm_set_timeout(s, 0), 0);
        wait_for_id(s, 0);
        forget_log(&d);
        relay_set(relay, manner);
        wait_for_id(s, -ETIME);
        wait_for_log(&d, "event=clock-stuck");
        wait_for_log(&d, words);
        snprintf(remedy, sizeof(remedy), "check %s and the network to it; sfshmd retries by itself",
                 strcmp(coordinator->name, "etcd") == 0 ? "etcd" : "ZooKeeper");
        expect_log(&d, remedy);
        cr_expect_not(log_says(&d, "disk"));
        cr_expect_not(log_says(&d, "Input/output"));
        expect_tool("SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--shm", d.shm, "--json"), "\"clock_reason\":\"stuck\"");
        expect_tool("SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--shm", d.shm), "the fence cannot be raised");
        expect_tool("SFSHM_TOOL", TOOL_ARGUMENTS("clock", "--shm", d.shm), "the fence cannot be raised");
        expect_tool("SFSHM_TOOL", TOOL_ARGUMENTS("next"), "the coordinator does not");
        relay_set(relay, RELAY_PASS);
        wait_for_id(s, 0);
        wait_for_log(&d, "event=fence-recovered");
        expect_tool("SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--shm", d.shm, "--json"), "\"clock_reason\":\"none\"");
        sfshm_close(s);
}

Test(away, longer_than_the_horizon) {
        begin();
        private_daemon_set(&d, "workers.horizon=2s");
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        outlive(RELAY_REFUSE, "the coordinator does not serve");
        outlive(RELAY_HANG, "the coordinator does not answer");
        end();
}

/* ---- a coordinator that hangs */

static int manager;
static unsigned pings;

static bool pings_reached(void *context) {
        pings += notify_socket_pings(manager);
        return pings >= *(const unsigned *)context;
}

/* Ticks go on (IDs of each of them), newcomers are let in, the tools answer, the
 * watchdog is answered, though the lease's thread is in a call all the time. Red when
 * in_backend is not set in lease.c: then there are no pings. */
Test(away, a_coordinator_that_hangs_delays_nobody) {
        int64_t last_tick = 0, hangs_ns;
        uint64_t id;

        begin();
        manager = notify_socket_new();
        setenv("WATCHDOG_USEC", "400000", 1);
        unsetenv("WATCHDOG_PID");
        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0); /* the first fence is written */
        hangs_ns = test_monotonic_ns();
        relay_set(relay, RELAY_HANG);
        (void)notify_socket_pings(manager);
        for (unsigned wanted = 1; relay_count(relay, hangs_ns, INT64_MAX) < 3; wanted++) {
                cr_assert_eq(private_daemon_next(&d, &id), 0);
                cr_assert_gt((int64_t)(id >> 22), last_tick);
                last_tick = (int64_t)(id >> 22);
                expect_tool("SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--shm", d.shm, "--json"),
                            "\"clock_reason\":\"none\"");
                cr_assert(wait_until(pings_reached, &wanted, 60000), "no signs of life");
        }
        wait_for_log(&d, "the coordinator does not answer");
        cr_expect_not(log_says(&d, "has not answered"));
        end();
}

/* With this ttl a request may take 40 s. Red when the main thread makes the release. */
Test(away, a_stop_waits_for_no_coordinator_that_hangs) {
        int64_t began_ns;
        uint64_t id;

        begin();
        private_daemon_set(&d, "%s.ttl=120s", coordinator->name);
        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        relay_set(relay, RELAY_HANG);
        began_ns = test_monotonic_ns();
        private_daemon_stop(&d);
        cr_expect_lt(test_monotonic_ns() - began_ns, INT64_C(20000000000));
        expect_log(&d, "event=fence-release");
        relay_set(relay, RELAY_PASS);
        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        end();
}
