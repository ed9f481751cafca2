/* SPDX-License-Identifier: MIT */
/* U1, U3 where the network fails between hosts and the coordinator. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/cluster/cluster.h"
#include "tests/cluster/proxy.h"
#include "tests/support/tool.h"

TestSuite(partitions, .timeout = 400);

static struct cluster c;
static struct cluster_host *const a = &c.hosts[0], *const b = &c.hosts[1];

static void expect_clock_says(const struct cluster_host *h, const char *what) {
        static struct tool_result result;

        tool_run(&result, "SFSHM_TOOL",
                 TOOL_ARGUMENTS("clock", "--shm", h->daemon.shm), "", 0);
        cr_assert_not_null(strstr(result.out, what), "'sfshm clock' does not say \"%s\":\n%s%s",
                           what, result.out, result.err);
}

/* A host goes on without its coordinator up to its fence, says then why it gives no IDs,
 * and goes on by itself: with the same worker IDs, as nobody took them. Red when grants
 * go beyond the fence (ledger_set_fence with more than lease_fence()): no error comes;
 * and when a session that has ended is not begun anew (fleet/renew.c, renew). */
Test(partitions, a_host_is_cut_off_for_a_while_and_until_after_its_fence) {
        unsigned worker;

        cluster_begin(&c, 3, 2);
        cluster_set(&c, "reserve.standing=2s");
        cluster_set(&c, "workers.horizon=15s");
        host_start(a);
        host_start(b);
        host_expect_ids(a);
        host_expect_ids(b);
        worker = host_worker(a);
        cr_assert_neq(host_worker(b), worker);

        host_cut_off(a, NET_BOTH);
        host_expect_told(a, "event=fence-write", 1);
        host_expect_ids(a);
        host_join(a);
        host_expect_told(a, "event=fence-recovered", 1);
        cr_assert_eq(host_errors(a), 0);

        host_cut_off(a, NET_BOTH);
        cluster_expect_sessions(&c, 1); /* which is longer than the TTL */
        host_expect_ids(a);
        host_expect_error(a, -ETIME); /* longer than the fence */
        expect_clock_says(a, "the fence cannot be raised");
        host_join(a);
        host_expect_ids(a);
        cr_assert_eq(host_worker(a), worker);
        cluster_expect_sessions(&c, 2);
        cr_assert_eq(host_errors(b), 0);
        cluster_end(&c);
}

/* Of one host the requests are lost, of another one the answers. Red when a session that
 * has ended is not begun anew (fleet/renew.c, revive). */
Test(partitions, loss_in_one_direction) {
        unsigned of_a, of_b;

        cluster_begin(&c, 3, 3);
        cluster_set(&c, "reserve.standing=2s");
        cluster_set(&c, "workers.horizon=5min");
        for (unsigned i = 0; i < c.n_hosts; i++)
                host_start(&c.hosts[i]);
        for (unsigned i = 0; i < c.n_hosts; i++)
                host_expect_ids(&c.hosts[i]);
        of_a = host_worker(a);
        of_b = host_worker(b);
        host_cut_off(a, NET_REQUESTS);
        host_cut_off(b, NET_ANSWERS);
        cluster_expect_sessions(&c, 1);
        host_expect_ids(a);
        host_expect_ids(b);
        host_join(a);
        host_join(b);
        cluster_expect_sessions(&c, 3);
        host_expect_told(a, "event=fence-recovered", 1);
        host_expect_told(b, "event=fence-recovered", 1);
        host_expect_ids(a);
        host_expect_ids(b);
        cr_assert_eq(host_worker(a), of_a);
        cr_assert_eq(host_worker(b), of_b);
        for (unsigned i = 0; i < c.n_hosts; i++)
                cr_assert_eq(host_errors(&c.hosts[i]), 0);
        cluster_end(&c);
}

struct written {
        int64_t before;
};

static bool is_written(void *context) {
        const struct written *w = context;

        return c.kind->writes(&c) >= w->before + 3;
}

static void expect_writes(void) {
        struct written w = { c.kind->writes(&c) };

        cr_assert_geq(w.before, 0);
        cr_assert(cluster_wait(is_written, &w), "nothing is written");
}

/* Answers come when nobody waits for them any more; first all, then those to writes: what
 * is done is not known to be done. Red when the record is not read again then
 * (fleet/renew.c, attempt without fleet_renew_reread()): its revision is another one, and
 * the lease is never renewed again. */
Test(partitions, answers_come_after_the_time_out) {
        struct proxy *proxy;

        cluster_begin(&c, 1, 1);
        cluster_set(&c, "reserve.standing=2s");
        cluster_set(&c, "workers.horizon=5min");
        proxy = proxy_start(&a->net, FIRST_PROXY_PORT, c.nodes[0].net.address, c.kind->port);
        strcpy(proxy->what, c.kind->write_mark);
        host_connect_to(a, "127.0.0.1:2400");
        host_start(a);
        host_expect_ids(a);
        proxy->delay_all = 1;
        proxy->delay_ms = 1200; /* a call may take a sixth of the TTL */
        host_expect_told(a, "event=fence-write", 1);
        host_expect_ids(a);
        proxy->delay_all = 0;
        expect_writes();
        host_expect_ids(a);
        proxy->delay_ms = 0;
        host_expect_told(a, "event=fence-recovered", 1);
        cluster_expect_renewals(&c);
        host_expect_ids(a);
        cr_assert_eq(host_told(a, "event=lease-lost"), 0);
        cr_assert_eq(host_errors(a), 0);
        cluster_end(&c);
}
