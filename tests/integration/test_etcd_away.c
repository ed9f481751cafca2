/* SPDX-License-Identifier: MIT */
/* F1, U3: a coordinator that hangs, refuses, is away for longer than the horizon; and
 * endpoints of which only one is good. Nothing of it delays a tick or a client. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "tests/integration/etcd_daemon.h"
#include "tests/integration/tool.h"
#include "tests/support/notify_socket.h"
#include "tests/support/relay.h"

TestSuite(etcd_away, .timeout = 200);

static struct etcd_nodes nodes = { .n = 1 };
static struct private_daemon d;
static struct tool_result result;

static void end(void) {
        private_daemon_remove(&d);
        etcd_nodes_end(&nodes);
}

/* ---- several endpoints */

static void prepare(struct relay *const relays[], size_t n) {
        char endpoints[160] = "";

        for (size_t i = 0; i < n; i++)
                snprintf(endpoints + strlen(endpoints), sizeof(endpoints) - strlen(endpoints), "%s%s",
                         i > 0 ? "," : "", relay_url(relays[i]));
        etcd_daemon_prepare(&d, endpoints);
}

static bool all_were_asked(void *context) {
        struct relay *const *relays = context;

        return relay_count(relays[0], 0, INT64_MAX) > 0 &&
               relay_count(relays[1], 0, INT64_MAX) > 0 &&
               relay_count(relays[2], 0, INT64_MAX) > 0;
}

/* Whichever the daemon begins with, it comes to the good one, and stays there. Red when
 * a time-out is not the end of a request, or the next call asks the same endpoint. */
Test(etcd_away, one_good_endpoint_is_enough) {
        struct relay *relays[3];
        int64_t begun_ns = test_monotonic_ns(), now_ns;

        etcd_nodes_begin(&nodes);
        relays[0] = relay_new(nodes.node[0].url, RELAY_HANG);
        relays[1] = relay_new(nodes.node[0].url, RELAY_REFUSE);
        relays[2] = relay_new(nodes.node[0].url, RELAY_HANG);
        prepare(relays, 3);
        private_daemon_spawn(&d);
        cr_assert(wait_until(all_were_asked, relays, 60000));
        relay_set(relays[2], RELAY_PASS);
        wait_for_log(&d, "event=start");
        now_ns = test_monotonic_ns();
        wait_for_renewals(&nodes, 1);
        cr_expect_leq(relay_count(relays[0], now_ns, INT64_MAX), 0);
        cr_expect_leq(relay_count(relays[1], now_ns, INT64_MAX), 0);
        cr_expect_leq(relay_count(relays[0], begun_ns, INT64_MAX), 4);

        /* the others come back, the one that was good hangs */
        now_ns = test_monotonic_ns();
        relay_set(relays[0], RELAY_PASS);
        relay_set(relays[1], RELAY_PASS);
        relay_set(relays[2], RELAY_HANG);
        wait_for_renewals(&nodes, 1);
        cr_expect_gt(relay_count(relays[0], now_ns, INT64_MAX) +
                     relay_count(relays[1], now_ns, INT64_MAX), 0, "half open: asked again");
        private_daemon_stop(&d);
        for (int i = 0; i < 3; i++)
                relay_free(relays[i]);
        end();
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
static void outlive(struct relay *relay, enum relay_manner manner, const char *words) {
        sfshm *s = private_daemon_open(&d, 0);

        cr_assert_eq(sfshm_set_timeout(s, 0), 0);
        wait_for_id(s, 0);
        forget_log(&d);
        relay_set(relay, manner);
        wait_for_id(s, -ETIME);
        wait_for_log(&d, "event=clock-stuck");
        wait_for_log(&d, words);
        expect_log(&d, "see to etcd, and to the way there; it goes on by itself");
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

Test(etcd_away, longer_than_the_horizon) {
        struct relay *relay;

        etcd_nodes_begin(&nodes);
        relay = relay_new(nodes.node[0].url, RELAY_PASS);
        prepare(&relay, 1);
        private_daemon_set(&d, "workers.horizon=2s");
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        outlive(relay, RELAY_REFUSE, "the coordinator does not serve");
        outlive(relay, RELAY_HANG, "the coordinator does not answer");
        private_daemon_stop(&d);
        relay_free(relay);
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
Test(etcd_away, a_coordinator_that_hangs_delays_nobody) {
        struct relay *relay;
        int64_t last_tick = 0, hangs_ns;
        uint64_t id;

        etcd_nodes_begin(&nodes);
        manager = notify_socket_new();
        setenv("WATCHDOG_USEC", "400000", 1);
        unsetenv("WATCHDOG_PID");
        relay = relay_new(nodes.node[0].url, RELAY_PASS);
        prepare(&relay, 1);
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
        wait_for_log(&d, "does not serve: Operation timed out");
        cr_expect_not(log_says(&d, "has not answered"));
        private_daemon_stop(&d); /* it ends, though it cannot release */
        relay_free(relay);
        end();
}
