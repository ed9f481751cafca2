/* SPDX-License-Identifier: MIT */
/*
 * U1 and the load on a real coordinator: 200 hosts which it is away for at the same time,
 * for longer than their sessions last. Each is a lease as a daemon has it, with its thread,
 * in one process; all reach it through a relay that counts. Built once for each
 * coordinator, as SFSHM_TEST_COORDINATOR says.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config/load.h"
#include "daemon/lease/backends.h"
#include "shm/clock.h"
#include "tests/support/capture.h"
#include "daemon/repair/workers.h"
#include "tests/support/coordinator.h"
#include "tests/support/own_space.h"
#include "tests/support/private_daemon.h"
#include "tests/support/relay.h"
#include "tests/support/remove_tree.h"
#include "tests/support/scratch.h"

TestSuite(herd, .timeout = 230);

#define HOSTS 200
#define SECOND INT64_C(1000000000)
#define TTL_NS (6 * SECOND)
/* A renewal after an outage reads its record and its sign of life again, begins a
 * session and commits. */
#define REQUESTS 4

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static char directory[SCRATCH_MAX]; /* of the hosts' states */
static struct relay *relay;
static struct clock_segment clock_segment;
static struct host {
        struct config *config;
        struct lease *lease;
        int64_t renewals; /* when the coordinator came back */
} hosts[HOSTS + 1];

static void begin_clock(void) {
        struct timespec boot, wall;
        struct clock_line line = { .boot_base_ns = 0 };

        clock_gettime(CLOCK_BOOTTIME, &boot);
        clock_gettime(CLOCK_REALTIME, &wall);
        clock_segment.layout = hosts[0].config->layout;
        line.boot_base_ns = line.slew_end_boot_ns = boot.tv_sec * SECOND + boot.tv_nsec;
        line.guarded_base_ns = wall.tv_sec * SECOND + wall.tv_nsec -
                               clock_segment.layout.epoch_unix_ms * 1000000;
        clock_latch_write(&clock_segment, &line);
}

static bool has_claimed(void *context) {
        const struct host *h = context;
        struct lease_claim claim = lease_claim(h->lease);

        cr_assert(!claim.over || claim.error == 0, "%s", capture_take());
        return claim.over;
}

static void claim(int i) {
        static const struct workers_request begin = { .begin = true };
        char backend[64], place[192], ttl[64], state[160], space[64];
        char *sets[] = { backend, place, ttl, state, space, NULL };
        struct host *h = &hosts[i];

        snprintf(backend, sizeof(backend), "workers.backend=%s", coordinator->name);
        coordinator->setting_at(relay_url(relay), place);
        snprintf(ttl, sizeof(ttl), "%s.ttl=6s", coordinator->name);
        snprintf(state, sizeof(state), "daemon.state_dir=%s/%d", directory, i);
        snprintf(space, sizeof(space), "workers.space=%s", own_space());
        cr_assert_eq(config_load(&h->config, "/dev/null", sets), 0, "%s", capture_take());
        if (i == 0)
                cr_assert_eq(workers_command(h->config, &begin), 0, "%s", capture_take());
        cr_assert_eq(backends_lease_new(&h->lease, h->config), 0, "%s", capture_take());
        cr_assert(wait_until(has_claimed, h, 60000), "%s", capture_take());
        if (i == 0)
                begin_clock();
        lease_start_renewal(h->lease, &clock_segment);
}

static int64_t renewals_of(const struct host *h) {
        return atomic_load_explicit(&lease_counters(h->lease)->renewals, memory_order_relaxed);
}

/* A renewal is counted a moment before its thread says that all is well again. */
static bool all_renew(void *unused) {
        (void)unused;
        for (int i = 0; i < HOSTS; i++)
                if (renewals_of(&hosts[i]) <= hosts[i].renewals || lease_error(hosts[i].lease) != 0)
                        return false;
        return true;
}

static void remember(void) {
        for (int i = 0; i < HOSTS; i++)
                hosts[i].renewals = renewals_of(&hosts[i]);
}

/* Each has what it was granted, and nobody else. */
static void expect_disjoint(int n) {
        bool taken[1024] = { false };

        for (int i = 0; i < n; i++) {
                uint32_t worker = lease_granted(hosts[i].lease)->worker_first;

                cr_assert_lt(worker, 1024);
                cr_assert_not(taken[worker], "worker ID %u twice", worker);
                taken[worker] = true;
                cr_assert_eq(lease_error(hosts[i].lease), 0, "%s", strerror(-lease_error(hosts[i].lease)));
                cr_assert_eq(atomic_load(&lease_counters(hosts[i].lease)->conflicts), 0);
        }
}

static void show(int64_t from_ns) {
        char text[200] = "";

        for (int i = 0; i < 20; i++)
                snprintf(text + strlen(text), sizeof(text) - strlen(text), " %zu",
                         relay_count(relay, from_ns + i * SECOND / 10,
                                     from_ns + (i + 1) * SECOND / 10));
        fprintf(stderr, "requests in each tenth of a second:%s\n", text);
}

/* Before the next renewal is due libzookeeper tries every sixtieth of the TTL. */
static size_t attempts_alone(void) {
        return strcmp(coordinator->name, "zookeeper") == 0 ? 2 * 60 / 3 : 0;
}

static bool passed(void *until_ns) {
        return test_monotonic_ns() >= *(const int64_t *)until_ns;
}

/* Red when attempts are not farther apart each time. (That they are not at the same
 * time is by jitter; here the hosts' beginnings lie apart as well: test_backoff.) */
Test(herd, hosts_do_not_come_back_together) {
        struct rlimit files;
        int64_t gone_ns, until_ns, back_ns;
        int out = dup(STDERR_FILENO);
        size_t during, first;

        cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
        files.rlim_cur = files.rlim_max;
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
        coordinator->begin();
        scratch_directory(directory, "herd");
        relay = relay_new(coordinator->url(), RELAY_PASS);
        capture_begin();
        for (int i = 0; i < HOSTS; i++)
                claim(i);
        cr_assert(wait_until(all_renew, NULL, 60000));
        expect_disjoint(HOSTS);

        gone_ns = test_monotonic_ns();
        relay_set(relay, RELAY_REFUSE);
        until_ns = gone_ns + TTL_NS + 2 * SECOND;
        cr_assert(wait_until(passed, &until_ns, 60000));
        back_ns = test_monotonic_ns();
        during = relay_count(relay, gone_ns, back_ns);
        remember();
        relay_set(relay, RELAY_PASS);
        until_ns = back_ns + SECOND;
        cr_assert(wait_until(passed, &until_ns, 60000));
        first = relay_count(relay, back_ns, until_ns);
        claim(HOSTS); /* and a new one in the middle of it, which reads all records */
        cr_assert(wait_until(all_renew, NULL, 120000), "not all are back");
        dup2(out, STDERR_FILENO);
        fprintf(stderr, "attempts in the outage: %zu; all back after %.1f s\n", during,
                (double)(test_monotonic_ns() - back_ns) / 1e9);
        show(back_ns);
        capture_begin();
        expect_disjoint(HOSTS + 1);
        /* all at once would be REQUESTS of each within the first tenth */
        cr_expect_leq(first, HOSTS * REQUESTS / 2);
        /* every 100 ms would be 80 */
        cr_expect_leq(during, HOSTS * (12 + attempts_alone()));

        for (int i = 0; i <= HOSTS; i++) {
                lease_release(hosts[i].lease, lease_fence(hosts[i].lease));
                config_free(hosts[i].config);
        }
        relay_free(relay);
        remove_tree(directory);
        coordinator->end();
}
