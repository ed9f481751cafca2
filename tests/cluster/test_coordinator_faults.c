/* SPDX-License-Identifier: MIT */
/* U1, U3, A1 where nodes of the coordinator fail, and everything. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "tests/cluster/cluster.h"

TestSuite(coordinator_faults, .timeout = 400);

static struct cluster c;
static struct cluster_host *const a = &c.hosts[0], *const b = &c.hosts[1];

static void begin(unsigned n_nodes) {
        cluster_begin(&c, n_nodes, 2);
        cluster_set(&c, "reserve.standing=2s");
        cluster_set(&c, "workers.horizon=5min");
}

static void start_both(void) {
        host_start(a);
        host_start(b);
        host_expect_ids(a);
        host_expect_ids(b);
}

struct other_leader {
        unsigned before;
};

static bool another_leads(void *context) {
        const struct other_leader *o = context;

        for (unsigned i = 0; i < c.n_nodes; i++)
                if (i != o->before && c.kind->leads(&c, i))
                        return true;
        return false;
}

static void expect_another_leader(unsigned before) {
        struct other_leader o = { before };

        cr_assert(cluster_wait(another_leads, &o), "no other node leads");
}

static void expect_ids_without_error(void) {
        host_expect_ids(a);
        host_expect_ids(b);
        cr_assert_eq(host_errors(a), 0);
        cr_assert_eq(host_errors(b), 0);
}

/* One host knows only the leader, which is alone: what that one still says is not
 * believed for longer than the fence. The other one finds the majority. Red when a write
 * that nobody confirms counts as done (lease.c, lease_thread): the first host tells of no
 * failure. */
Test(coordinator_faults, a_leader_in_the_minority) {
        unsigned leader;
        char address[32];

        begin(3);
        leader = cluster_leader(&c);
        snprintf(address, sizeof(address), "%s:%u", c.nodes[leader].net.address, c.kind->port);
        host_connect_to(a, address);
        start_both();
        for (unsigned i = 0; i < c.n_nodes; i++)
                if (i != leader)
                        net_part(&c.nodes[i].net, &c.nodes[leader].net);
        expect_another_leader(leader);
        host_expect_told(a, "event=fence-write", 1);
        expect_ids_without_error();
        for (unsigned i = 0; i < c.n_nodes; i++)
                net_heal(&c.nodes[i].net);
        host_expect_told(a, "event=fence-recovered", 1);
        cluster_expect_sessions(&c, 2);
        cluster_expect_renewals(&c);
        expect_ids_without_error();
        cluster_end(&c);
}

/* Red when a host stays with the endpoint that does not answer (etcd/http.c, trip). */
Test(coordinator_faults, the_leader_is_stopped_and_goes_on) {
        unsigned leader;

        begin(3);
        start_both();
        leader = cluster_leader(&c);
        node_signal(&c, leader, SIGSTOP);
        expect_another_leader(leader);
        cluster_expect_renewals(&c);
        expect_ids_without_error();
        node_signal(&c, leader, SIGCONT);
        cluster_wait_served(&c);
        cluster_expect_renewals(&c);
        expect_ids_without_error();
        cluster_end(&c);
}

/* Red when a daemon does not go on with the record that its state directory names
 * (fleet.c, find_own): the worker IDs are others. */
Test(coordinator_faults, no_quorum_then_everything_is_killed_and_started) {
        unsigned leader, of_a, of_b;

        begin(3);
        start_both();
        of_a = host_worker(a);
        of_b = host_worker(b);
        leader = cluster_leader(&c);
        node_stop(&c, leader);
        node_stop(&c, (leader + 1) % 3);
        host_expect_told(a, "event=fence-write", 1);
        host_expect_told(b, "event=fence-write", 1);
        expect_ids_without_error();
        node_start(&c, leader);
        node_start(&c, (leader + 1) % 3);
        host_expect_told(a, "event=fence-recovered", 1);
        host_expect_told(b, "event=fence-recovered", 1);
        expect_ids_without_error();

        for (unsigned i = 0; i < c.n_hosts; i++)
                private_daemon_signal(&c.hosts[i].daemon, SIGKILL, true);
        for (unsigned i = 0; i < c.n_nodes; i++)
                node_stop(&c, i);
        for (unsigned i = 0; i < c.n_nodes; i++)
                node_start(&c, i);
        cluster_wait_served(&c);
        start_both();
        cr_assert_eq(host_worker(a), of_a);
        cr_assert_eq(host_worker(b), of_b);
        cluster_expect_renewals(&c);
        cluster_end(&c);
}
