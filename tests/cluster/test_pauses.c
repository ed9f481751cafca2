/* SPDX-License-Identifier: MIT */
/* U1, U3: the only worker ID of a region goes to another host while its owner, or the
 * owner's clients, are stopped. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cluster/cluster.h"
#include "tests/cluster/proxy.h"

TestSuite(pauses, .timeout = 1000);

static struct cluster c;
static struct cluster_host *const a = &c.hosts[0], *const b = &c.hosts[1];

static void begin(void) {
        cluster_begin(&c, 1, 2);
        cluster_set(&c, "id.layout=41/1/21");
        cluster_set(&c, "id.region_bits=1");
        cluster_set(&c, "reserve.standing=1s");
        cluster_set(&c, "workers.horizon=10s"); /* the fence outlives the session */
        cluster_set(&c, "workers.recycle_delay=1s");
}

static bool is_held(void *context) {
        return ((struct proxy *)context)->held > 0;
}

static bool went_on(void *context) {
        return ((struct proxy *)context)->passed_on > 0;
}

/* The renewal is on its way while the worker ID goes to another host, and arrives after
 * that. Red when it checks no revision (fleet/renew.c, commit_host): the history then has
 * a worker ID in two records (with ZooKeeper the session's end alone refuses it; there see
 * test_strangers.c). Red when a claim leaves the old owner's record alone (fleet.c,
 * draft_owner): the old owner never ends. Red as well when a claim does not wait for the
 * old fence, and begins at its own clock (fleet_free_tick() and the grant's
 * fence_tick). */
Test(pauses, a_daemon_is_stopped_with_its_renewal_under_way) {
        struct proxy *proxy;

        begin();
        proxy = proxy_start(&a->net, FIRST_PROXY_PORT, c.nodes[0].net.address, c.kind->port);
        strcpy(proxy->what, c.kind->write_mark);
        host_connect_to(a, "127.0.0.1:2400");
        host_start(a);
        host_expect_ids(a);
        /* release: pairs with the acquire in hold() */
        atomic_store_explicit(&proxy->hold, 1, memory_order_release);
        cr_assert(cluster_wait(is_held, proxy), "nothing is renewed");
        private_daemon_signal(&a->daemon, SIGSTOP, false);
        host_start_when_possible(b);
        host_expect_ids(b);
        atomic_store_explicit(&proxy->hold, 0, memory_order_release);
        cr_assert(cluster_wait(went_on, proxy));
        host_expect_ids(b);
        private_daemon_signal(&a->daemon, SIGCONT, false);
        host_expect_lost(a);
        host_expect_error(a, -ENOTCONN);
        host_expect_ids(b);
        cr_assert_eq(host_errors(b), 0);

        /* and back */
        private_daemon_stop(&b->daemon);
        host_start_when_possible(a);
        host_expect_ids(a);
        cluster_end(&c);
}

static void change_owner(struct cluster_host *from, struct cluster_host *to) {
        host_signal_clients(from, SIGSTOP);
        private_daemon_signal(&from->daemon, SIGKILL, true);
        host_start_when_possible(to);
        host_expect_ids(to);
        host_signal_clients(from, SIGCONT);
        host_expect_errors(from);
        host_expect_ids(to);
}

/* Clients sleep with a live reservation, and wake up when the worker ID is another
 * host's. Red when a slot is used beyond its end (slot.h, `now < t1`). */
Test(pauses, clients_are_stopped_while_their_worker_goes_to_another_host) {
        unsigned rounds = getenv("SFSHM_LONG") != NULL ? 20 : 1;

        begin();
        host_start(a);
        host_expect_ids(a);
        for (unsigned i = 0; i < rounds; i++)
                change_owner(i % 2 == 0 ? a : b, i % 2 == 0 ? b : a);
        cluster_end(&c);
}
