/* SPDX-License-Identifier: MIT */
/* U1, U3: three nodes of etcd, of which some die, stand still, or all begin anew. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/integration/support/etcd_daemon.h"
#include "tests/support/collect.h"

TestSuite(etcd_cluster, .timeout = 230);

#define HOSTS 2

static struct etcd_nodes nodes = { .n = 3 };
static struct private_daemon hosts[HOSTS];
static struct arena *arena;
static size_t n_parts;
static unsigned workers[HOSTS];

/* Some IDs of each host, by the worker IDs which it had from the start. */
static void take_ids(void) {
        for (int i = 0; i < HOSTS; i++, n_parts++)
                for (int j = 0; j < 500; j++) {
                        uint64_t id;

                        cr_assert_eq(private_daemon_next(&hosts[i], &id), 0);
                        arena_add(arena, n_parts, id);
                        if (n_parts < HOSTS)
                                workers[i] = etcd_daemon_worker(id);
                        cr_assert_eq(etcd_daemon_worker(id), workers[i], "it lost its worker ID");
                }
}

static void begin(const char *horizon) {
        etcd_nodes_begin(&nodes);
        for (int i = 0; i < HOSTS; i++) {
                etcd_daemon_prepare(&hosts[i], nodes.endpoints);
                private_daemon_set(&hosts[i], "workers.horizon=%s", horizon);
                private_daemon_set(&hosts[i], "reserve.standing=1s");
                private_daemon_start(&hosts[i]);
        }
        arena = arena_new(40, 600);
        n_parts = 0;
        take_ids();
        cr_assert_neq(workers[0], workers[1]);
}

static void end(void) {
        arena_expect_unique(arena);
        arena_free(arena);
        for (int i = 0; i < HOSTS; i++) {
                cr_expect_not(log_says(&hosts[i], "event=lease-lost"));
                private_daemon_stop(&hosts[i]);
                private_daemon_remove(&hosts[i]);
        }
        etcd_nodes_end(&nodes);
}

/* The two that are left elect another. Red, but for luck in which endpoint is drawn, when
 * a failed call is tried again only at the same one. */
Test(etcd_cluster, the_leader_dies_stands_still_and_all_begin_anew) {
        unsigned leader;

        begin("60s");
        leader = etcd_nodes_leader(&nodes);
        etcd_nodes_kill(&nodes, leader);
        wait_for_renewals(&nodes, 1);
        take_ids();
        etcd_nodes_start(&nodes, leader);
        etcd_nodes_wait(&nodes);

        leader = etcd_nodes_leader(&nodes);
        etcd_nodes_signal(&nodes, leader, SIGSTOP);
        wait_for_renewals(&nodes, 1);
        take_ids();
        etcd_nodes_signal(&nodes, leader, SIGCONT);

        for (unsigned i = 0; i < nodes.n; i++)
                etcd_nodes_kill(&nodes, i);
        take_ids();
        for (unsigned i = 0; i < nodes.n; i++)
                etcd_nodes_start(&nodes, i);
        etcd_nodes_wait(&nodes);
        wait_for_renewals(&nodes, 1);
        take_ids();
        end();
}

static bool no_id(void *context) {
        uint64_t id;
        int r = sfshm_next(context, &id);

        cr_assert(r == 0 || r == -ETIME || r == -EAGAIN, "%s", sfshm_strerror(r));
        return r == -ETIME;
}

static bool id_again(void *context) {
        uint64_t id;

        return sfshm_next(context, &id) == 0;
}

/* A minority commits nothing: the fence is the end, and it goes on with the quorum. */
Test(etcd_cluster, without_a_quorum_the_fence_is_the_end) {
        sfshm *s[HOSTS];

        begin("3s");
        for (int i = 0; i < HOSTS; i++) {
                s[i] = private_daemon_open(&hosts[i], 0);
                sfshm_set_timeout(s[i], 0);
        }
        etcd_nodes_kill(&nodes, 0);
        etcd_nodes_kill(&nodes, 1);
        for (int i = 0; i < HOSTS; i++) {
                cr_assert(wait_until(no_id, s[i], 60000));
                wait_for_log(&hosts[i], "event=clock-stuck");
                expect_log(&hosts[i], "check etcd and the network to it");
        }
        etcd_nodes_start(&nodes, 1);
        for (int i = 0; i < HOSTS; i++) {
                cr_assert(wait_until(id_again, s[i], 60000), "it does not retry by itself");
                sfshm_close(s[i]);
        }
        etcd_nodes_start(&nodes, 0);
        take_ids();
        end();
}
