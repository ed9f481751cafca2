/* SPDX-License-Identifier: MIT */
/* Regions: the same worker IDs within each, and no ID twice. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/collect.h"
#include "tests/support/coordinator.h"
#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"

TestSuite(regions, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct tool_result result;

/* Takes some, and shows them to the tools. */
static struct sfshm_parts take(const struct private_daemon *d, struct arena *arena, size_t part) {
        sfshm *s = private_daemon_open(d, 0);
        struct sfshm_layout layout;
        struct sfshm_parts parts;
        char text[32], expected[64];
        uint64_t id = 0;

        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        for (int i = 0; i < 10000; i++) {
                cr_assert_eq(sfshm_next(s, &id), 0);
                arena_add(arena, part, id);
        }
        cr_assert_eq(sfshm_get_layout(s, &layout), 0);
        cr_assert_eq(sfshm_decode(&layout, id, &parts), 0);
        sfshm_close(s);
        snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
        tool_run(&result, "SFSHM_TOOL",
                 TOOL_ARGUMENTS("decode", "--json", "--socket", d->socket, text), "", 0);
        snprintf(expected, sizeof(expected), "\"region\":%u,\"worker\":%u,", parts.region,
                 parts.worker);
        cr_assert(strstr(result.out, expected), "%s is not in %s%s", expected, result.out,
                  result.err);
        tool_run(&result, "SFSHM_STAT_TOOL",
                 TOOL_ARGUMENTS("--prometheus", "--socket", d->socket), "", 0);
        snprintf(expected, sizeof(expected), "\nsfshm_region %u\n", parts.region);
        cr_assert(strstr(result.out, expected), "%s is not in %s%s", expected, result.out,
                  result.err);
        return parts;
}

static void prepare(struct private_daemon *d, unsigned region) {
        private_daemon_prepare(d);
        coordinator->configure(d);
        private_daemon_set(d, "workers.count=2");
        private_daemon_set(d, "id.region_bits=3");
        private_daemon_set(d, "id.region=%u", region);
}

/* U1: red when the worker IDs of the grant have no region. */
Test(regions, U1_hosts_of_two_regions_share_a_coordinator) {
        struct arena *arena = arena_new(2, 20000);
        struct private_daemon a, b, c;
        struct sfshm_parts parts;
        char *log;

        coordinator->begin();
        prepare(&a, 0);
        prepare(&b, 5);
        prepare(&c, 1);
        private_daemon_start(&a);
        private_daemon_start(&b);
        parts = take(&a, arena, 0);
        cr_assert(parts.region == 0 && parts.worker <= 1);
        parts = take(&b, arena, 1);
        cr_assert(parts.region == 5 && parts.worker >= 5 << 7 && parts.worker <= (5 << 7) + 1);
        arena_expect_unique(arena);
        (void)tool_run_with(&result, &b, TOOL_ARGUMENTS("workers", "--all-regions"));
        cr_assert(strstr(result.out, "region 0 is 1 % full: 128 worker IDs, 0 to 127 in an ID\n"
                                             "2 held, ") &&
                          strstr(result.out, "region 5 is 1 % full: 128 worker IDs, 640 to 767 in "
                                             "an ID\n2 held, "), "%s%s", result.out,
                  result.err);
        /* the regions of one coordinator have one size */
        private_daemon_set(&c, "id.region_bits=4");
        cr_assert_eq(private_daemon_start_fails(&c), 3);
        log = private_daemon_log(&c);
        cr_assert(strstr(log, "41/10/12, 3 region bits") != NULL, "%s", log);
        free(log);
        arena_free(arena);
        private_daemon_remove(&a);
        private_daemon_remove(&b);
        private_daemon_remove(&c);
        coordinator->end();
}

Test(regions, by_configuration) {
        struct arena *arena = arena_new(1, 10000);
        struct private_daemon d;
        struct sfshm_parts parts;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "id.region_bits=3");
        private_daemon_set(&d, "id.region=6");
        private_daemon_set(&d, "workers.first=127");
        private_daemon_start(&d);
        parts = take(&d, arena, 0);
        cr_assert(parts.region == 6 && parts.worker == (6 << 7) + 127);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}
