/* SPDX-License-Identifier: MIT */
/* U1 where the coordinator is put back to a copy of its data, or emptied, while hosts run,
 * restart and come. What must hold is in daemon/lease/KEYS.md, "An old copy while hosts run". */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/cluster/cluster.h"

TestSuite(old_copies, .timeout = 400);

static struct cluster c;
static struct cluster_host *const a = &c.hosts[0], *const b = &c.hosts[1],
                                 *const newcomer = &c.hosts[2];

static void begin(void) {
        cluster_begin(&c, 3, 3);
        cluster_set(&c, "reserve.standing=2s");
        cluster_set(&c, "workers.horizon=5min");
}

/* ---- the data of all nodes */

static void run(const char *what, unsigned node) {
        char command[256];

        snprintf(command, sizeof(command), "cd '%s' && %s", c.nodes[node].directory, what);
        cr_assert_eq(system(command), 0, "%s", command);
}

static void change_data(const char *what) {
        for (unsigned i = 0; i < c.n_nodes; i++)
                node_stop(&c, i);
        for (unsigned i = 0; i < c.n_nodes; i++)
                run(what, i);
        for (unsigned i = 0; i < c.n_nodes; i++)
                node_start(&c, i);
        cluster_wait_served(&c);
}

static void keep_copy(void) {
        change_data("cp -a data copy");
}

static void put_back(void) {
        change_data("rm -r data && cp -a copy data");
}

static void empty(void) {
        change_data("rm -r data");
}

/* ---- what hosts do */

static bool one_brakes(void *context) {
        (void)context;
        return host_told(a, "event=coordinator-old") > 0 ||
               host_told(b, "event=coordinator-old") > 0;
}

static void expect_no_loss(struct cluster_host *h) {
        host_expect_ids(h);
        cr_expect_eq(host_errors(h), 0, "calls of host %u failed", h->number);
}

/* Whoever has worker IDs keeps them, also if the copy knows nothing of it, and nobody is given
 * them. Red without fleet_brake(): the host that joined later stops. */
Test(old_copies, U1_from_before_a_host_joined) {
        begin();
        host_start(a);
        host_expect_ids(a);
        keep_copy();
        host_start(b);
        host_expect_ids(b);
        put_back();
        cr_assert(cluster_wait(one_brakes, NULL), "nobody notices");
        private_daemon_spawn(&newcomer->daemon);
        host_expect_told(newcomer, "event=lease-claimed", 1);
        host_expect_told(newcomer, "above the fence of tick", 1);
        expect_no_loss(a);
        expect_no_loss(b);
        cr_expect_neq(host_worker(a), host_worker(b));
        cluster_end(&c);
}

/* Who starts remembers more than the copy shows, and is refused until the host that runs has
 * braked. Red when a start believes the copy. */
Test(old_copies, U1_while_a_host_restarts) {
        begin();
        host_start(a);
        keep_copy();
        host_start(b);
        host_expect_ids(a);
        host_expect_ids(b);
        cluster_expect_renewals(&c); /* so that the copy is an older one for both */
        private_daemon_signal(&b->daemon, SIGKILL, true);
        private_daemon_signal(&a->daemon, SIGSTOP, false);
        put_back();
        cr_assert_eq(private_daemon_start_fails(&b->daemon), 3);
        host_expect_told(b, "event=coordinator-old", 1);
        private_daemon_signal(&a->daemon, SIGCONT, false);
        host_start_when_possible(b);
        cr_expect_neq(host_worker(b), host_worker(a));
        host_expect_ids(a);
        cluster_end(&c);
}

/* Nothing is written to what may be another one, and all goes on when the data are there again. */
Test(old_copies, U1_emptied_and_put_back) {
        begin();
        host_start(a);
        host_start(b);
        host_expect_ids(a);
        host_expect_ids(b);
        keep_copy();
        cluster_expect_renewals(&c);
        empty();
        host_expect_told(a, "event=coordinator-lost", 1);
        host_expect_told(b, "event=coordinator-lost", 1);
        newcomer->daemon.begun = true; /* it does not begin one */
        cr_assert_eq(private_daemon_start_fails(&newcomer->daemon), 3);
        host_expect_told(newcomer, "event=coordinator-empty", 1);
        put_back();
        cr_assert(cluster_wait(one_brakes, NULL), "nobody notices");
        cluster_expect_renewals(&c);
        expect_no_loss(a);
        expect_no_loss(b);
        cluster_end(&c);
}
