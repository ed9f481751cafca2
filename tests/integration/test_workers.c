/* SPDX-License-Identifier: MIT */
/* U1, F1: sfshm workers and sfshm fence --above with real daemons and a real etcd. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/integration/tool.h"
#include "tests/support/collect.h"
#include "tests/support/etcd_server.h"
#include "tests/support/private_daemon.h"

TestSuite(workers, .timeout = 200);

static struct etcd_server etcd;
static struct private_daemon a, b;
static struct tool_result result;

/* One worker ID a region, so that the next host must wait for it, or cannot. */
static void prepare(struct private_daemon *d, const char *recycle_delay) {
        static const char *const sets[] = { "workers.backend=etcd", "etcd.ttl=6s",
                                            "id.layout=41/1/21", "id.region_bits=1",
                                            "reserve.standing=1s", "workers.horizon=2s" };

        private_daemon_prepare(d);
        memmove(d->sets[0], d->sets[1], sizeof(d->sets[0]) * --d->n_sets); /* workers.first=0 */
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
                private_daemon_set(d, "%s", sets[i]);
        private_daemon_set(d, "etcd.endpoints=%s", etcd.url);
        private_daemon_set(d, "workers.recycle_delay=%s", recycle_delay);
}

static void begin(void) {
        etcd_server_begin(&etcd);
        prepare(&a, "1h");
        prepare(&b, "1h");
}

static void end(void) {
        private_daemon_remove(&a);
        private_daemon_remove(&b);
        etcd_server_end(&etcd);
}

/* sfshm with these words and the settings of the daemon. */
static int run(const struct private_daemon *d, const char *const words[]) {
        const char *arguments[TOOL_ARGUMENTS_MAX + 1] = { NULL };
        size_t n = 0;

        while (words[n] != NULL) {
                arguments[n] = words[n];
                n++;
        }
        for (unsigned i = 0; i < d->n_sets; i++) {
                arguments[n++] = "--set";
                arguments[n++] = d->sets[i];
        }
        tool_run(&result, "SFSHM_TOOL", arguments, "", 0);
        return result.status;
}
#define RUN(d, ...) run(d, TOOL_ARGUMENTS(__VA_ARGS__))

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

/* Starts it again and again until it has the worker ID. */
static bool starts(void *context) {
        struct private_daemon *d = context;
        char *log;
        bool yes;

        if (d->pid == 0)
                private_daemon_spawn(d);
        log = private_daemon_log(d);
        yes = strstr(log, "event=start") != NULL;
        if (!yes && strstr(log, "workers-none") != NULL) {
                remove(d->log);
                private_daemon_signal(d, SIGTERM, true);
        }
        free(log);
        return yes;
}

/* An hour's delay is not waited for, the fence is. Red when the claim takes no notice
 * of `freed`. */
Test(workers, U1_those_of_a_dead_host_are_freed) {
        struct arena *arena = arena_new(2, 2000);

        begin();
        private_daemon_start(&a);
        cr_assert_eq(RUN(&a, "workers"), 0);
        expect("region 0: of 1 worker IDs 1 are held");
        expect("0        held      yes");
        cr_assert_eq(RUN(&a, "workers", "--release", "0", "--yes"), 1);
        expect("whose session goes on: stop sfshmd there");
        (void)take(&a, arena, 0);
        private_daemon_signal(&a, SIGKILL, true);
        cr_assert(wait_until(session_is_over, &a, 60000));
        expect("\"state\":\"dead\"");
        cr_assert_eq(private_daemon_start_fails(&b), 1);
        cr_assert_eq(RUN(&a, "workers", "--release", "0"), 2);
        expect("nobody can be asked");
        cr_assert_eq(RUN(&a, "workers", "--release", "0", "--yes"), 0, "%s", result.err);
        expect("the fence stays as it is");
        cr_assert_eq(RUN(&a, "workers"), 0);
        expect("0        freed     no");
        remove(b.log);
        cr_assert(wait_until(starts, &b, 60000), "the worker ID is never free");
        (void)take(&b, arena, 1);
        arena_expect_unique(arena);
        arena_free(arena);
        end();
}

/* A live host whose session is taken from it by force goes on. */
Test(workers, a_host_that_lives_goes_on_without_its_session) {
        struct arena *arena = arena_new(2, 2000);
        char *log;

        begin();
        private_daemon_start(&a);
        (void)take(&a, arena, 0);
        cr_assert_eq(RUN(&a, "workers", "--release", "0", "--force", "--yes"), 0, "%s",
                     result.err);
        expect("Its session goes on and is ended");
        for (int i = 0; i < 30000; i++) {
                cr_assert_eq(RUN(&a, "workers", "--json"), 0);
                if (strstr(result.out, "\"state\":\"held\",\"alive\":true") != NULL)
                        break;
                usleep(1000);
        }
        expect("\"state\":\"held\",\"alive\":true");
        (void)take(&a, arena, 1);
        log = private_daemon_log(&a);
        cr_assert_null(strstr(log, "lease-lost"), "%s", log);
        free(log);
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

/* A deleted fence of worker IDs once used is refused, not guessed, until a person says. */
Test(workers, U1_a_deleted_fence_is_refused_until_a_person_says_one) {
        struct arena *arena = arena_new(2, 2000);
        char above[32];
        uint64_t bound;

        begin();
        private_daemon_start(&a);
        (void)take(&a, arena, 0);
        private_daemon_signal(&a, SIGKILL, true);
        free(ETCDCTL(&etcd, "del", "--prefix", "/sfshm/region/0/host/"));
        cr_assert_eq(private_daemon_start_fails(&b), 1);
        cr_assert_eq(RUN(&a, "workers"), 0);
        expect("refused   -      no fence is known: sfshm workers --release 0 --above TIME");
        ahead(above, 12);
        if (RUN(&a, "fence", "--above", above) != 0)
                expect("tells of a host that lives and whose record is missing or damaged");
        cr_assert(wait_until(session_is_over, &a, 60000));
        ahead(above, 4);
        cr_assert_eq(RUN(&a, "fence", "--above", above), 0, "%s%s", result.out, result.err);
        expect("Worker IDs 0 of region 0 have the fence tick");
        bound = lowest_of(above);
        remove(b.log);
        cr_assert(wait_until(starts, &b, 60000), "the worker ID is never free");
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
        cr_assert_eq(RUN(&a, "workers", "--yes"), 1);
        expect("--above, --force and --yes belong to --release");
        cr_assert_eq(RUN(&a, "workers", "--release", "0", "--json"), 1);
        expect("--release takes neither --json nor --all-regions");
        cr_assert_eq(RUN(&a, "clock", "--yes"), 1);
        tool_run(&result, "SFSHM_TOOL", TOOL_ARGUMENTS("workers", "--set", "workers.first=0"), "",
                 0);
        cr_assert_eq(result.status, 1);
        expect("workers.backend = local has no coordinator");
        etcd_server_stop(&etcd);
        cr_assert_eq(RUN(&a, "workers"), 1);
        expect("does not answer");
        end();
}
