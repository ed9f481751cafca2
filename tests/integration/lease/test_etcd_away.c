/* SPDX-License-Identifier: MIT */
/* etcd alone (any coordinator: test_away.c): of several endpoints only one is good (F1). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/integration/support/etcd_daemon.h"
#include "tests/support/relay.h"

TestSuite(etcd_away, .timeout = 200);

static struct etcd_nodes nodes = { .n = 1 };
static struct private_daemon d;

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

static int64_t begun_ns;

static bool all_were_asked(void *context) {
        struct relay *const *relays = context;

        return relay_count(relays[0], begun_ns, INT64_MAX) > 0 &&
               relay_count(relays[1], begun_ns, INT64_MAX) > 0 &&
               relay_count(relays[2], begun_ns, INT64_MAX) > 0;
}

/* Whichever the daemon begins with, it comes to the good one, and stays there. Red when
 * a time-out is not the end of a request, or the next call asks the same endpoint. */
Test(etcd_away, one_good_endpoint_is_enough) {
        struct relay *relays[3];
        int64_t now_ns;

        etcd_nodes_begin(&nodes);
        for (int i = 0; i < 3; i++)
                relays[i] = relay_new(nodes.node[0].url, RELAY_PASS);
        prepare(relays, 3);
        private_daemon_begin_space(&d);
        relay_set(relays[0], RELAY_HANG);
        relay_set(relays[1], RELAY_REFUSE);
        relay_set(relays[2], RELAY_HANG);
        begun_ns = test_monotonic_ns();
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
