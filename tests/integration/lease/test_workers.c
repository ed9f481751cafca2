/* SPDX-License-Identifier: MIT */
/* U1, F1: sfshm workers and sfshm fence --above with real daemons and a real coordinator.
 * Built once for each, as SFSHM_TEST_COORDINATOR says. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/collect.h"
#include "tests/support/coordinator.h"
#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"

TestSuite(workers, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon a, b;
static struct tool_result result;

/* One worker ID a region, so that the next host must wait for it, or cannot. */
static void prepare(struct private_daemon *d, const char *recycle_delay) {
        static const char *const sets[] = { "id.layout=41/1/21", "id.region_bits=1",
                                            "reserve.standing=1s", "workers.horizon=2s" };

        private_daemon_prepare(d);
        coordinator->configure(d);
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
                private_daemon_set(d, "%s", sets[i]);
        private_daemon_set(d, "workers.recycle_delay=%s", recycle_delay);
}

static void begin(void) {
        coordinator->begin();
        prepare(&a, "1h");
        prepare(&b, "1h");
}

static void end(void) {
        private_daemon_remove(&a);
        private_daemon_remove(&b);
        coordinator->end();
}

#define RUN(d, ...) tool_run_with(&result, d, TOOL_ARGUMENTS(__VA_ARGS__))

static void expect(const char *part) {
        cr_assert(strstr(result.out, part) || strstr(result.err, part), "'%s' is not in: %s%s",
                  part, result.out, result.err);
}

static uint64_t take(const struct private_daemon *d, struct arena *arena, size_t part) {
        sfshm *s = private_daemon_open(d, 0);
        uint64_t first = 0, id = 0;

        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        for (int i = 0; i < 1000; i++) {
                int r = sfshm_next(s, &id);

                cr_assert_eq(r, 0, "sfshm_next: %s", sfshm_strerror(r));
                first = first == 0 ? id : first;
                arena_add(arena, part, id);
        }
        sfshm_close(s);
        return first;
}

static bool session_is_over(void *context) {
        cr_assert_eq(RUN(context, "workers", "--json"), 0, "%s", result.err);
        return strstr(result.out, "\"alive\":true") == NULL &&
               strstr(result.out, "\"strays\":[]") != NULL;
}

/* An hour's delay is not waited for, the fence is. Red when the claim takes no notice
 * of `freed`. */
Test(workers, U1_those_of_a_dead_host_are_freed) {
        struct arena *arena = arena_new(2, 2000);

        begin();
        private_daemon_start(&a);
        cr_assert_eq(RUN(&a, "workers"), 0);
        expect("region 0 is 100 % full: 1 worker IDs");
        expect("1 held, 0 resting");
        expect("0        held ");
        cr_assert_eq(RUN(&a, "workers", "--release", "0", "--yes"), 1);
        expect("whose session is alive: stop sfshmd there");
        (void)take(&a, arena, 0);
        private_daemon_signal(&a, SIGKILL, true);
        cr_assert(wait_until(session_is_over, &a, 60000));
        expect("\"state\":\"dead\"");
        private_daemon_waits(&b, "workers-none");
        cr_assert_eq(RUN(&a, "workers", "--release", "0"), 2);
        expect("cannot ask for confirmation");
        cr_assert_eq(RUN(&a, "workers", "--release", "0", "--yes"), 0, "%s", result.err);
        expect("the fence stays as it is");
        cr_assert_eq(RUN(&a, "workers"), 0);
        expect("0        freed ");
        remove(b.log);
        cr_assert(wait_until(starts_in_the_end, &b, 60000), "the worker ID is never free");
        (void)take(&b, arena, 1);
        arena_expect_unique(arena);
        arena_free(arena);
        end();
}

/* A live host whose session is taken from it by force goes on. */
Test(workers, a_host_that_lives_goes_on_without_its_session) {
        struct arena *arena = arena_new(2, 2000);

        begin();
        private_daemon_start(&a);
        (void)take(&a, arena, 0);
        cr_assert_eq(RUN(&a, "workers", "--release", "0", "--force", "--yes"), 0, "%s",
                     result.err);
        expect("Its session is alive and is ended");
        for (int i = 0; i < 30000; i++) {
                cr_assert_eq(RUN(&a, "workers", "--json"), 0);
                if (strstr(result.out, "\"state\":\"held\",\"alive\":true") != NULL)
                        break;
                usleep(1000);
        }
        expect("\"state\":\"held\",\"alive\":true");
        (void)take(&a, arena, 1);
        cr_assert_not(log_says(&a, "lease-lost"));
        arena_expect_unique(arena);
        arena_free(arena);
        private_daemon_stop(&a);
        end();
}

static void ahead(char text[32], int seconds) {
        time_t at = time(NULL) + seconds;
        struct tm tm;

        strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
}

static uint64_t lowest_of(const char *text) {
        tool_run(&result, "SFSHM_TOOL",
                 TOOL_ARGUMENTS("first", "--layout", "41/1/21", "--region-bits", "1", text), "", 0);
        cr_assert_eq(result.status, 0, "%s", result.err);
        return strtoull(result.out, NULL, 10);
}

/* A deleted fence of worker IDs once used is refused, not guessed, until the operator says one,
 * which is not below what may exist. Red when a fence of long ago is believed. */
Test(workers, U1_a_deleted_fence_is_refused_until_the_operator_says_one) {
        struct arena *arena = arena_new(2, 2000);
        char above[32];
        uint64_t bound;

        begin();
        private_daemon_start(&a);
        (void)take(&a, arena, 0);
        private_daemon_signal(&a, SIGKILL, true);
        coordinator->remove("region/0/host/");
        private_daemon_waits(&b, "workers-none");
        cr_assert_eq(RUN(&a, "workers"), 0);
        expect("refused  no fence is known: sfshm fence --above TIME");
        ahead(above, 12);
        if (RUN(&a, "fence", "--above", above) != 0)
                expect("shows a live host whose record is missing or damaged");
        cr_assert(wait_until(session_is_over, &a, 60000));
        cr_assert_eq(RUN(&a, "fence", "--above", "2025-06-01"), 2);
        expect("would begin above 2025-06-01T00:00:00.000Z and issue those between the two again");
        cr_assert_eq(RUN(&a, "workers", "--release", "0", "--above", "2025-06-01", "--yes"), 2);
        expect("--force does it nevertheless");
        ahead(above, 20); /* more than workers.horizon, and than a busy machine takes */
        cr_assert_eq(RUN(&a, "fence", "--above", above), 0, "%s%s", result.out, result.err);
        expect("Worker IDs 0 of region 0 have the fence tick");
        bound = lowest_of(above);
        remove(b.log);
        cr_assert(wait_until(starts_in_the_end, &b, 60000), "the worker ID is never free");
        cr_assert_gt(take(&b, arena, 1), bound);
        arena_expect_unique(arena);
        arena_free(arena);
        end();
}

/* For IDs from elsewhere. Red when the fence on disk is not taken along. */
Test(workers, without_such_worker_ids_the_host_begins_above) {
        struct arena *arena = arena_new(1, 2000);
        char above[32];
        uint64_t bound;

        begin();
        ahead(above, 6);
        bound = lowest_of(above);
        cr_assert_eq(RUN(&a, "fence", "--above", above), 0, "%s", result.err);
        expect("No worker ID of region 0");
        private_daemon_start(&a);
        cr_assert_gt(take(&a, arena, 0), bound);
        arena_free(arena);
        private_daemon_stop(&a);
        end();
}

Test(workers, say_what_is_wrong) {
        begin();
        cr_assert_eq(RUN(&a, "workers", "--release", "1,0", "--yes"), 2);
        expect("\"1,0\" is no list of worker IDs as 7 or 0-3,7");
        cr_assert_eq(RUN(&a, "workers", "--yes"), 2);
        expect("--yes needs --release");
        cr_assert_eq(RUN(&a, "workers", "--release", "0", "--json"), 2);
        expect("--release takes neither --json nor --all-regions");
        cr_assert_eq(RUN(&a, "clock", "--yes"), 2);
        tool_run(&result, "SFSHM_TOOL", TOOL_ARGUMENTS("workers", "--release", "0", "--set", "workers.first=0"),
                 "", 0);
        cr_assert_eq(result.status, 1);
        expect("workers.backend = local has no coordinator");
        cr_assert_eq(RUN(&a, "workers"), 0);
        expect("no ID space was begun at ");
        cr_assert_eq(RUN(&a, "workers", "--all-regions"), 0);
        expect("correct the address and the prefix");
        private_daemon_start(&a);
        cr_assert_eq(RUN(&a, "workers"), 0);
        cr_assert_null(strstr(result.err, "no ID space"), "%s", result.err);
        private_daemon_stop(&a);
        coordinator->stop();
        cr_assert_eq(RUN(&a, "workers"), 1);
        expect("does not answer, and nothing was changed");
        end();
}
