/* SPDX-License-Identifier: MIT */
/* A daemon is restarted while the coordinator is away: clients notice nothing, up to the fence
 * that the host remembers. Built once for each coordinator. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/coordinator.h"

TestSuite(restart_away, .timeout = 300);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon d;

static uint64_t next(sfshm *s) {
        uint64_t id = 0;
        int r = sfshm_next(s, &id);

        cr_assert_eq(r, 0, "sfshm_next: %s", sfshm_strerror(r));
        return id;
}

static void restart(int signal) {
        if (signal == SIGTERM)
                private_daemon_stop(&d);
        else
                (void)private_daemon_signal(&d, signal, true);
        forget_log(&d);
        private_daemon_start(&d);
        wait_for_log(&d, "event=lease-resumed");
}

static void stop_it(void) {
        coordinator->stop();
}

static void start_it(void) {
        coordinator->start();
}

static void hang_it(void) {
        coordinator->signal(SIGSTOP);
}

static void go_on(void) {
        coordinator->signal(SIGCONT);
}

/* A client that always wants an ID, within a second. */
static struct {
        sfshm *s;
        atomic_bool over;
        atomic_uint failed;
        atomic_ulong done;
} caller;

static void *call(void *context) {
        (void)context;
        cr_assert_eq(sfshm_set_timeout(caller.s, INT64_C(1000000000)), 0);
        while (!caller.over) {
                uint64_t id;

                if (sfshm_next(caller.s, &id) < 0)
                        caller.failed++;
                caller.done++;
        }
        return NULL;
}

/* The host's record was written again. */
static bool is_confirmed(void *context) {
        return coordinator->writes("region/0/host/") > *(const int64_t *)context;
}

/* Red when a start waits for the coordinator, and when a stop gives up the fence that the
 * coordinator still has. */
static void restart_while_away(const int *signals, unsigned every_s, void (*away)(void),
                               void (*back)(void)) {
        pthread_t thread;
        int64_t writes;
        uint64_t last, id;
        sfshm *s;

        coordinator->begin();
        private_daemon_prepare(&d);
        coordinator->configure(&d);
        private_daemon_set(&d, "%s.ttl=60s", coordinator->name); /* a request lasts up to 10 s */
        private_daemon_set(&d, "workers.horizon=10min");
        private_daemon_set(&d, "reserve.standing=10s");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        last = next(s);
        caller.s = private_daemon_open(&d, 0);
        caller.over = false;
        caller.failed = 0;
        caller.done = 0;
        cr_assert_eq(pthread_create(&thread, NULL, call, NULL), 0);
        writes = coordinator->writes("region/0/host/");
        away();
        for (; *signals != 0; signals++) {
                sleep(every_s);
                restart(*signals);
                cr_assert_eq(private_daemon_next(&d, &id), 0, "new clients are served, too");
                cr_assert_gt(id = next(s), last);
                last = id;
        }
        back();
        cr_assert(wait_until(is_confirmed, &writes, 60000));
        cr_assert_gt(next(s), last);
        caller.over = true;
        cr_assert_eq(pthread_join(thread, NULL), 0);
        cr_expect_eq(caller.failed, 0, "%u calls failed", caller.failed);
        private_daemon_stop(&d);
        expect_log(&d, "event=lease-released");
        sfshm_close(caller.s);
        sfshm_close(s);
        private_daemon_remove(&d);
        coordinator->end();
}

static const int stops[] = { SIGTERM, SIGTERM, SIGTERM, 0 };
static const int kills[] = { SIGKILL, SIGKILL, SIGKILL, 0 };

Test(restart_away, clean_stops) {
        restart_while_away(stops, 0, stop_it, start_it);
}

Test(restart_away, kills) {
        restart_while_away(kills, 0, stop_it, start_it);
}

/* Red when the first request of a start is waited for as long as any. */
Test(restart_away, clean_stops_with_a_coordinator_that_hangs) {
        restart_while_away(stops, 0, hang_it, go_on);
}

Test(restart_away, kills_with_a_coordinator_that_hangs) {
        restart_while_away(kills, 0, hang_it, go_on);
}

/* The figure of docs/fleet.md. */
Test(restart_away, five_minutes, .timeout = 600) {
        static const int both[] = { SIGTERM, SIGKILL, SIGTERM, SIGKILL, SIGTERM, SIGKILL, 0 };

        if (getenv("SFSHM_LONG") == NULL)
                cr_skip_test("figures: only with --long");
        restart_while_away(both, 50, stop_it, start_it);
        fprintf(stderr, "%s dead for five minutes, six restarts: %u of %lu calls failed\n",
                coordinator->name, caller.failed, caller.done);
}
