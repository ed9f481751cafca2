/* SPDX-License-Identifier: MIT */
/* U1: what a run grew by is given back to another host. Real daemons, real library; built
 * once for each coordinator, as SFSHM_TEST_COORDINATOR says. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/integration/support/growing.h"
#include "tests/support/coordinator.h"

TestSuite(growth_shared, .timeout = 500);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon a, b;

static void prepare(struct private_daemon *d) {
        growing_prepare(d);
        coordinator->configure(d);
        private_daemon_set(d, "workers.recycle_delay=1s");
}

/* At once, or grown again: the kill may have come before the journal had the new count. */
static bool serves_all_four(void *daemon) {
        return log_says(daemon, "serves workers 0 to 3") ||
               log_says(daemon, "grows from 2 to 4 worker IDs");
}

/*
 * A region of four worker IDs: all of them are one host's while its callers wait, over a
 * kill; then another host begins with two which it gave back, and no ID is there twice.
 *
 * Red when fleet_shrink() gives them back with a fence of 0 (and a clock that has gone
 * back), or the daemon before what is held there has run out.
 */
Test(growth_shared, another_host_gets_what_was_given_back) {
        struct arena *arena = arena_new(GROWING_TAKERS, 16 << 20);

        coordinator->begin();
        prepare(&a);
        prepare(&b);
        private_daemon_set(&b, "workers.count=2");
        growing_begin();
        private_daemon_start(&a);
        growing_start_takers(&a, arena);
        wait_for_log(&a, "grows from 2 to 4 worker IDs, 0 to 3");
        private_daemon_signal(&a, SIGKILL, true);
        remove(a.log);
        private_daemon_start(&a);
        cr_assert(wait_until(serves_all_four, &a, 150000));
        private_daemon_waits(&b, "workers-none");
        remove(b.log);
        cr_assert(wait_until(growing_all_workers, arena, 150000));
        growing_end_takers();
        /* in one step or in several: takers that got little of the processor wanted less */
        wait_for_log(&a, " to 1 worker IDs, as soon as");
        cr_assert(wait_until(starts_in_the_end, &b, 150000));
        wait_for_log(&b, "serves workers 2 to 3");
        /* both, and the one cannot grow over the other */
        growing_start_takers(&b, arena);
        growing_end_takers();
        growing_start_takers(&a, arena);
        wait_for_log(&a, "grows from 1 to 2 worker IDs, 0 to 1");
        wait_for_log(&a, "run-full");
        growing_end_takers();
        arena_expect_unique(arena);
        private_daemon_stop(&a);
        private_daemon_stop(&b);
        private_daemon_remove(&a);
        private_daemon_remove(&b);
        coordinator->end();
        arena_free(arena);
}
