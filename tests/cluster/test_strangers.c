/* SPDX-License-Identifier: MIT */
/* U1, U3 where a host's clock is wrong, or a host is another one's copy. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cluster/cluster.h"
#include "tests/support/wall_clock.h"

TestSuite(strangers, .timeout = 400);

static struct cluster c;
static struct cluster_host *const a = &c.hosts[0], *const b = &c.hosts[1];

static void enter_with_a_clock(void *net) {
        net_enter(net);
        wall_clock_enter();
}

static void set_clock(struct cluster_host *h, const char *offset) {
        wall_clock_prepare(&h->daemon);
        (void)wall_clock_set(offset);
        h->daemon.before_exec = enter_with_a_clock;
}

/* By the clock of the host which is ahead the fence of the one that sleeps is long
 * over, and its worker ID free as soon as the session is. The sleeper wakes up with its
 * fence still ahead, and hands out IDs: the new owner's are those of an hour later.
 * Red when fleet_free_tick() is 0: the last start is not refused; and with ZooKeeper when
 * a renewal does not check the record's revision (fleet/renew.c, commit_host): the sleeper
 * never ends. */
Test(strangers, a_host_whose_clock_is_an_hour_ahead) {
        wall_clock_find();
        cluster_begin(&c, 1, 2);
        cluster_set(&c, "id.layout=41/1/21");
        cluster_set(&c, "id.region_bits=1");
        cluster_set(&c, "reserve.standing=2s");
        cluster_set(&c, "workers.horizon=1min");
        cluster_set(&c, "workers.recycle_delay=1s");
        set_clock(b, "+3600");
        host_start(a);
        host_expect_ids(a);
        host_signal_clients(a, SIGSTOP);
        private_daemon_signal(&a->daemon, SIGSTOP, false);
        host_start_when_possible(b);
        host_expect_ids(b);
        host_cut_off(a, NET_BOTH); /* or it would soon know, and end */
        private_daemon_signal(&a->daemon, SIGCONT, false);
        host_signal_clients(a, SIGCONT);
        host_expect_ids(a); /* up to its fence */
        host_expect_ids(b);
        host_join(a);
        host_expect_lost(a);
        host_expect_ids(b);

        /* nobody with a right clock may begin before the hour is over */
        private_daemon_stop(&b->daemon);
        private_daemon_waits(&a->daemon, "workers-none");
        cluster_end(&c);
}

/* What was used lately lies in the future of a host that is behind, which takes others;
 * and when there are none it is refused. Red when fleet_free_tick() is 0. */
Test(strangers, a_host_whose_clock_is_an_hour_behind) {
        struct cluster_host *d = &c.hosts[2];

        wall_clock_find();
        cluster_begin(&c, 1, 3);
        cluster_set(&c, "id.layout=41/1/21");
        cluster_set(&c, "reserve.standing=1s");
        cluster_set(&c, "workers.horizon=2s");
        cluster_set(&c, "workers.recycle_delay=0");
        set_clock(b, "-3600");
        host_start(a);
        host_expect_ids(a);
        private_daemon_stop(&a->daemon);
        host_start(b);
        host_expect_ids(b);
        cr_assert_neq(host_worker(b), host_worker(a));
        private_daemon_stop(&b->daemon);

        host_start(d);
        host_expect_ids(d);
        cr_assert_eq(host_worker(d), host_worker(b), "which rests for an hour");
        private_daemon_waits(&b->daemon, "workers-none");
        host_start(a);
        host_expect_ids(a);
        cluster_end(&c);
}

static void copy_state(const struct cluster_host *from, const struct cluster_host *to) {
        char command[400];

        snprintf(command, sizeof(command), "rm -rf %s && cp -a %s %s", to->daemon.state,
                 from->daemon.state, to->daemon.state);
        cr_assert_eq(system(command), 0);
}

static void expect_different(void) {
        host_expect_ids(a);
        host_expect_ids(b);
        cr_assert_neq(host_worker(a), host_worker(b));
}

/* Of a daemon that runs, and of one that is stopped; both are of one machine-id and one
 * boot. Red when a record counts as one's own whose state directory is another one
 * (fleet.c, find_own without `directory`). */
Test(strangers, two_daemons_from_one_copied_state_directory) {
        unsigned of_a;

        cluster_begin(&c, 1, 2);
        cluster_set(&c, "reserve.standing=2s");
        cluster_set(&c, "workers.horizon=5min");
        host_start(a);
        host_expect_ids(a);
        of_a = host_worker(a);
        copy_state(a, b);
        host_start(b);
        expect_different();

        private_daemon_stop(&a->daemon);
        private_daemon_signal(&b->daemon, SIGKILL, true);
        copy_state(a, b);
        /* the copy first, which has the better chance then */
        host_start(b);
        host_start(a);
        expect_different();
        cr_assert_eq(host_worker(a), of_a);
        cr_assert_eq(host_told(a, "event=lease-lost"), 0);
        cluster_end(&c);
}
