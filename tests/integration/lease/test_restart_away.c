/* SPDX-License-Identifier: MIT */
/* A daemon is restarted while the coordinator is away: clients notice nothing, up to the fence
 * that the host remembers. Built once for each coordinator. */
#include <criterion/criterion.h>
#include <signal.h>

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

/* Red when a start waits for the coordinator, and when a stop gives up the fence that the
 * coordinator still has. */
static void restart_while_away(int signal) {
        uint64_t last, id;
        sfshm *s;

        coordinator->begin();
        private_daemon_prepare(&d);
        coordinator->configure(&d);
        private_daemon_set(&d, "workers.horizon=10min");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        last = next(s);
        coordinator->stop();
        for (int i = 0; i < 3; i++) {
                restart(signal);
                cr_assert_eq(private_daemon_next(&d, &id), 0, "new clients are served, too");
                cr_assert_gt(id = next(s), last);
                last = id;
        }
        coordinator->start();
        wait_for_log(&d, "event=fence-recovered");
        cr_assert_gt(next(s), last);
        private_daemon_stop(&d);
        expect_log(&d, "event=lease-released");
        sfshm_close(s);
        private_daemon_remove(&d);
        coordinator->end();
}

Test(restart_away, clean_stops) {
        restart_while_away(SIGTERM);
}

Test(restart_away, kills) {
        restart_while_away(SIGKILL);
}
