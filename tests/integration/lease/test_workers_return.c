/* SPDX-License-Identifier: MIT */
/*
 * U1: a host gets worker IDs back which another one had meanwhile. Clock and ledger of
 * this boot are still in its shared memory, and know nothing of the other's IDs.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/collect.h"
#include "tests/support/coordinator.h"
#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"
#include "tests/support/wall_clock.h"

TestSuite(workers_return, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon a, b;
static struct tool_result result;

/* One worker ID for both. */
static void prepare(struct private_daemon *d) {
        static const char *const sets[] = { "id.layout=41/1/21", "id.region_bits=1",
                                            "reserve.standing=1s", "workers.horizon=2s",
                                            "workers.recycle_delay=0" };

        private_daemon_prepare(d);
        coordinator->configure(d);
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
                private_daemon_set(d, "%s", sets[i]);
}

static uint64_t take(const struct private_daemon *d, struct arena *arena, size_t part) {
        sfshm *s = private_daemon_open(d, 0);
        uint64_t id = 0;

        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        for (int i = 0; i < 1000; i++) {
                int r = sfshm_next(s, &id);

                cr_assert_eq(r, 0, "sfshm_next: %s", sfshm_strerror(r));
                arena_add(arena, part, id);
        }
        sfshm_close(s);
        return id;
}

static bool is_free(void *context) {
        cr_assert_eq(tool_run_with(&result, context, TOOL_ARGUMENTS("workers", "--json")), 0, "%s",
                     result.err);
        return strstr(result.out, "\"free\":1,") != NULL;
}

/* The clock of the one was two hours behind until it stopped, and is right when it
 * starts again. Red when clock and ledger of before the claim are adopted: they then go
 * on two hours behind, over all ticks of the other. */
Test(workers_return, U1_it_begins_above_what_the_other_had) {
        struct arena *arena = arena_new(3, 2000);
        uint64_t of_b;

        wall_clock_find();
        coordinator->begin();
        prepare(&a);
        prepare(&b);
        wall_clock_prepare(&a);
        (void)wall_clock_set("-7200");
        wall_clock_start(&a);
        (void)take(&a, arena, 0);
        private_daemon_stop(&a);
        private_daemon_start(&b);
        of_b = take(&b, arena, 1);
        private_daemon_stop(&b);
        cr_assert(wait_until(is_free, &a, 60000), "%s", result.out);
        (void)wall_clock_set("+0");
        wall_clock_start(&a);
        cr_assert_gt(take(&a, arena, 2), of_b, "below the other's");
        arena_expect_unique(arena);
        arena_free(arena);
        private_daemon_stop(&a);
        private_daemon_remove(&a);
        private_daemon_remove(&b);
        coordinator->end();
}
