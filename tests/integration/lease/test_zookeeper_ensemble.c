/* SPDX-License-Identifier: MIT */
/* U1, U3 with a ZooKeeper of three nodes which lose their leader, their quorum and all. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"
#include "tests/support/zookeeper_server.h"

TestSuite(zookeeper_ensemble, .timeout = 220);

#define HOSTS 2
#define STAGES 8
#define IDS 500

static struct zookeeper_server server;
static struct private_daemon daemons[HOSTS];
static struct arena *arena;
static unsigned workers[HOSTS];

static unsigned take(struct private_daemon *d, size_t part) {
        sfshm *s = private_daemon_open(d, 0);
        struct sfshm_layout layout;
        struct sfshm_parts parts;
        uint64_t id = 0;

        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        for (int i = 0; i < IDS; i++) {
                int r = sfshm_next(s, &id);

                cr_assert_eq(r, 0, "sfshm_next: %s", sfshm_strerror(r));
                arena_add(arena, part, id);
        }
        cr_assert_eq(sfshm_get_layout(s, &layout), 0);
        cr_assert_eq(sfshm_decode(&layout, id, &parts), 0);
        sfshm_close(s);
        return parts.worker;
}

/* Each host goes on handing out, with the worker ID it has. */
static void take_all(size_t stage) {
        for (size_t i = 0; i < HOSTS; i++) {
                unsigned worker = take(&daemons[i], stage * HOSTS + i);

                cr_assert(stage == 0 || worker == workers[i], "worker %u became %u", workers[i],
                          worker);
                workers[i] = worker;
        }
        fprintf(stderr, "stage %zu: IDs at %.1f s\n", stage, (double)test_monotonic_ns() / 1e9);
}

/* The renewals of that host's record, or -1. */
static long renewals(const char *text, const struct private_daemon *d) {
        char pid[32];
        const char *line = text, *end, *found;
        long n = -1;

        snprintf(pid, sizeof(pid), "\"pid\":%d,", (int)d->pid);
        for (; *line != '\0' && n < 0; line = *end ? end + 1 : end) {
                end = line + strcspn(line, "\n");
                found = strstr(line, pid);
                if (found != NULL && found < end && (found = strstr(line, "\"renewals\":")) != NULL)
                        n = strtol(found + strlen("\"renewals\":"), NULL, 10);
        }
        return n;
}

static long before[HOSTS];

static bool all_have_renewed(void *context) {
        char *text;
        bool yes = true;

        (void)context;
        usleep(100000); /* each look is a connection of its own */
        text = zookeeper_server_list(&server, NULL, "/sfshm/region/0/host");
        for (size_t i = 0; i < HOSTS; i++)
                yes = yes && renewals(text, &daemons[i]) > before[i];
        free(text);
        return yes;
}

/* By themselves, once there is a quorum: more than once, so that it goes on. */
static void expect_renewals(void) {
        char *text = zookeeper_server_list(&server, NULL, "/sfshm/region/0/host");

        for (size_t i = 0; i < HOSTS; i++)
                cr_assert_geq(before[i] = renewals(text, &daemons[i]), 0, "no record in\n%s", text);
        free(text);
        cr_assert(wait_until(all_have_renewed, NULL, 60000), "a host does not renew any more");
        fprintf(stderr, "renewed more than %ld and %ld times\n", before[0], before[1]);
}

static void begin(void) {
        arena = arena_new(STAGES * HOSTS, IDS);
        zookeeper_server_begin(&server, 3);
        for (size_t i = 0; i < HOSTS; i++) {
                struct private_daemon *d = &daemons[i];

                private_daemon_prepare(d);
                private_daemon_unset_first(d);
                private_daemon_set(d, "workers.backend=zookeeper");
                private_daemon_set(d, "zookeeper.hosts=%s", server.hosts);
                private_daemon_set(d, "zookeeper.ttl=6s");
                private_daemon_start(d);
        }
}

static void end(void) {
        arena_expect_unique(arena);
        arena_free(arena);
        for (size_t i = 0; i < HOSTS; i++) {
                private_daemon_stop(&daemons[i]);
                private_daemon_remove(&daemons[i]);
        }
        zookeeper_server_end(&server);
}

static void wait_for_session_to_pass(void) {
        for (int64_t until = test_monotonic_ns() + INT64_C(7000000000);
             test_monotonic_ns() < until;)
                usleep(10000);
}

/* A session that does not come back is left for a new one. Red when a failure ends the
 * renewals (`over` in lease.c). */
Test(zookeeper_ensemble, hosts_go_on_without_leader_quorum_and_all) {
        unsigned leader;

        begin();
        take_all(0);
        expect_renewals();

        leader = zookeeper_server_leader(&server);
        zookeeper_server_stop_node(&server, leader);
        take_all(1);
        expect_renewals();
        zookeeper_server_start_node(&server, leader);
        zookeeper_server_start(&server);

        leader = zookeeper_server_leader(&server);
        zookeeper_server_signal_node(&server, leader, SIGSTOP);
        take_all(2);
        expect_renewals();
        zookeeper_server_signal_node(&server, leader, SIGCONT);

        /* no quorum for longer than a session */
        zookeeper_server_start(&server);
        leader = zookeeper_server_leader(&server);
        zookeeper_server_stop_node(&server, leader);
        zookeeper_server_stop_node(&server, (leader + 1) % 3);
        take_all(3);
        wait_for_session_to_pass();
        take_all(4);
        zookeeper_server_start(&server);
        expect_renewals();

        zookeeper_server_stop(&server);
        take_all(5);
        zookeeper_server_start(&server);
        expect_renewals();
        take_all(6);
        end();
}
