/* SPDX-License-Identifier: MIT */
/* U1, O1: a run that grows while callers wait, is found grown by the next daemon, and
 * shrinks again. Real daemons, real library. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/integration/support/growing.h"
#include "tests/support/tool.h"

TestSuite(growth, .timeout = 500);

static struct private_daemon a;
static struct tool_result result;

/*
 * Killed as soon as it has grown, with the clients going on: the next daemon serves the
 * grown run at once, and grows it further; when the load has ended it shrinks.
 *
 * Red when begin_run() does not go on with the ledger's count; when the growth of the run
 * does not reach the ledger (reserve_set_run).
 */
Test(growth, under_load_over_kills_and_back) {
        struct arena *arena = arena_new(GROWING_TAKERS, 16 << 20);

        growing_prepare(&a);
        growing_begin();
        private_daemon_start(&a);
        growing_start_takers(&a, arena);
        wait_for_log(&a, "grows from 1 to 2 worker IDs, 0 to 1");
        private_daemon_signal(&a, SIGKILL, true);
        remove(a.log);
        private_daemon_start(&a);
        wait_for_log(&a, "serves workers 0 to 1");
        wait_for_log(&a, "grows from 2 to 4 worker IDs, 0 to 3");
        tool_run(&result, "SFSHM_STAT_TOOL",
                 TOOL_ARGUMENTS("--json", "--socket", a.socket), "", 0);
        cr_assert_not_null(strstr(result.out, "\"worker_count\":4"), "%s", result.out);
        private_daemon_signal(&a, SIGKILL, true);
        remove(a.log);
        private_daemon_start(&a);
        wait_for_log(&a, "serves workers 0 to 3");
        cr_assert(wait_until(growing_all_workers, arena, 150000));
        growing_end_takers();
        for (size_t i = 0; i < GROWING_TAKERS; i++)
                arena_expect_increasing(arena, i);
        /* in one step or in several, see test_growth_shared.c */
        wait_for_log(&a, " to 1 worker IDs, as soon as");
        growing_start_takers(&a, arena);
        wait_for_log(&a, "grows from 1 to 2 worker IDs");
        growing_end_takers();
        arena_expect_unique(arena);
        private_daemon_stop(&a);
        private_daemon_remove(&a);
        arena_free(arena);
}
