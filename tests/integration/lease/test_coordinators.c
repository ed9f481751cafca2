/* SPDX-License-Identifier: MIT */
/* U1, U3, F1 among hosts: real daemons which share a real coordinator. Built once for
 * each, as SFSHM_TEST_COORDINATOR says. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/collect.h"
#include "tests/support/coordinator.h"
#include "tests/support/private_daemon.h"
#include "tests/support/service_manager.h"

TestSuite(coordinators, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon a, b, c;

static void prepare(struct private_daemon *d) {
        private_daemon_prepare(d);
        coordinator->configure(d);
}

static void begin(void) {
        coordinator->begin();
        prepare(&a);
        prepare(&b);
}

static void end(void) {
        private_daemon_remove(&a);
        private_daemon_remove(&b);
        coordinator->end();
}

static struct sfshm_parts next(const struct private_daemon *d, struct arena *arena, size_t part) {
        sfshm *s = private_daemon_open(d, 0);
        struct sfshm_layout layout;
        struct sfshm_parts parts;
        uint64_t id = 0;

        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        for (int i = 0; i < 1000; i++) {
                int r = sfshm_next(s, &id);

                cr_assert_eq(r, 0, "sfshm_next: %s", sfshm_strerror(r));
                if (arena != NULL)
                        arena_add(arena, part, id);
        }
        cr_assert_eq(sfshm_get_layout(s, &layout), 0);
        cr_assert_eq(sfshm_decode(&layout, id, &parts), 0);
        sfshm_close(s);
        return parts;
}

static void expect_keys(const char *key, const char *part) {
        char *text = coordinator->list(key);

        cr_assert_not_null(strstr(text, part), "below %s is no \"%s\":\n%s", key, part, text);
        free(text);
}

/* The name of the only key below it. */
static char *only_key(const char *prefix) {
        char *text = coordinator->list(prefix);

        text[strcspn(text, " \n")] = '\0';
        cr_assert_gt(strlen(text), 0, "there is no key below %s", prefix);
        return text;
}

/* Red when a claim takes no care of who has the worker IDs (fleet_choose). */
Test(coordinators, hosts_get_different_workers_and_restarts_the_same) {
        struct arena *arena = arena_new(4, 2000);
        int64_t start_ns;
        unsigned of_a;

        begin();
        start_ns = test_monotonic_ns();
        private_daemon_start(&a);
        fprintf(stderr, "from the start to the first answer, with a claim: %.0f ms\n",
                (double)(test_monotonic_ns() - start_ns) / 1e6);
        private_daemon_set(&b, "workers.count=3");
        private_daemon_start(&b);
        of_a = next(&a, arena, 0).worker;
        cr_assert_neq(next(&b, arena, 1).worker, of_a);
        expect_keys("contract", "\"layout\":\"41/10/12\"");

        /* at once, although the session of the one before goes on */
        private_daemon_signal(&a, SIGKILL, true);
        private_daemon_start(&a);
        cr_assert_eq(next(&a, arena, 2).worker, of_a);
        /* and after a clean stop, whatever the recycle delay */
        private_daemon_stop(&a);
        expect_keys("region/0/host/", "\"state\":\"released\"");
        private_daemon_start(&a);
        cr_assert_eq(next(&a, arena, 3).worker, of_a);
        arena_expect_unique(arena);
        arena_free(arena);
        end();
}

struct writes {
        int64_t n, from_ns; /* so many at that time, or somewhat later */
        int64_t most;
};

static bool is_written(void *context) {
        struct writes *w = context;
        int64_t now_ns = test_monotonic_ns(), n = coordinator->writes("region/0/host/");

        if (n >= 0 && n <= w->most)
                *w = (struct writes){ n, now_ns, w->most };
        return n > w->most;
}

/* One write in a third of the ttl, whatever the length of the run. Red when the session
 * is kept by writes, or each worker ID has a key of its own. */
Test(coordinators, a_host_writes_at_most_once_in_a_third_of_the_ttl) {
        struct writes first = { .most = 0 }, last;

        begin();
        private_daemon_set(&a, "workers.count=64");
        private_daemon_start(&a);
        first.most = coordinator->writes("region/0/host/");
        cr_assert_geq(first.most, 1);
        cr_assert(wait_until(is_written, &first, 60000));
        last = (struct writes){ .most = first.n + 3 };
        cr_assert(wait_until(is_written, &last, 60000));
        /* `first` was about to have one more, `last` has three more than that one */
        cr_assert_geq(test_monotonic_ns() - first.from_ns, 3 * INT64_C(2000000000));
        end();
}

/* Red when the contract keeps seconds of the epoch. */
Test(coordinators, another_contract_is_refused) {
        begin();
        private_daemon_start(&a);
        private_daemon_set(&b, "id.epoch=2025-01-01T00:00:00.001Z");
        cr_assert_eq(private_daemon_start_fails(&b), 3);
        expect_log(&b, "the coordinator's key contract says layout 41/10/12");
        end();
}

/* The only worker ID of a dead host: free once session, fence and delay are over, and
 * nothing below the fence comes again. Meanwhile the owner is only stopped: its late
 * renewal fails, and nothing it hands out is the new owner's. Red when a claim leaves
 * the old owner's record alone, or when a renewal does not check its revision. */
Test(coordinators, a_stopped_owner_loses_what_another_has_claimed) {
        static const char *const common[] = { "id.layout=41/1/21", "id.region_bits=1",
                                              "reserve.standing=1s", "workers.horizon=2s",
                                              "workers.recycle_delay=1s" };
        struct arena *arena = arena_new(4, 2000);
        int status;

        begin();
        for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
                private_daemon_set(&a, "%s", common[i]);
                private_daemon_set(&b, "%s", common[i]);
        }
        private_daemon_start(&a);
        (void)next(&a, arena, 0);
        private_daemon_signal(&a, SIGSTOP, false);
        cr_assert(wait_until(starts_in_the_end, &b, 60000), "the worker ID is never free");
        (void)next(&b, arena, 1);
        private_daemon_signal(&a, SIGCONT, false);
        (void)next(&b, arena, 2);
        status = private_daemon_signal(&a, 0, true);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned)status);
        expect_log(&a, "lease-lost");
        private_daemon_stop(&b);
        remove(a.log);
        cr_assert(wait_until(starts_in_the_end, &a, 60000), "released, and not free again");
        (void)next(&a, arena, 3);
        arena_expect_unique(arena);
        arena_free(arena);
        private_daemon_stop(&a);
        expect_keys("region/0/host/", "\"state\":\"released\"");
        end();
}

/* As a copy of it would, of a virtual machine that was cloned while it ran. */
static void write_as_a_copy(const char *key) {
        char *text = coordinator->list(key), *value = strchr(text, ' ') + 1, changed[2000];
        char *number = strstr(value, "\"renewals\":"), *end;
        unsigned long renewals;

        cr_assert_not_null(number, "%s", text);
        number += strlen("\"renewals\":");
        renewals = strtoul(number, &end, 10);
        end[strcspn(end, "\n")] = '\0';
        snprintf(changed, sizeof(changed), "%.*s%lu%s", (int)(number - value), value,
                 renewals + 1000, end);
        coordinator->put(key, changed);
        free(text);
}

/* The copy goes on with the record, so whoever was told so by it must not take it back
 * when started anew, though machine, boot and directory are the same. Red when the state
 * directory still names that record: then the two rob each other in turn, for ever. */
Test(coordinators, who_lost_to_a_copy_takes_other_workers) {
        char *key, *before, *after;
        unsigned worker;
        int status;

        begin();
        private_daemon_start(&a);
        worker = next(&a, NULL, 0).worker;
        key = only_key("region/0/host/");
        write_as_a_copy(key);
        before = coordinator->list(key);
        status = private_daemon_signal(&a, 0, true);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %#x", (unsigned)status);
        expect_log(&a, "a copy of this daemon, or the operator, has written their record");
        private_daemon_start(&a);
        cr_assert_neq(next(&a, NULL, 0).worker, worker);
        after = coordinator->list(key);
        cr_assert_str_eq(after, before);
        private_daemon_stop(&a);
        free(key);
        free(before);
        free(after);
        end();
}

/* A manager starts it again at once, and for ever: then a host with a full disk has a
 * worker ID more for each start within the session's ttl. Red without the release. */
Test(coordinators, a_start_that_cannot_remember_its_worker_ids_gives_them_back) {
        char path[120], *keys;

        begin();
        cr_assert_eq(mkdir(a.state, 0700), 0);
        cr_assert_eq(chown(a.state, a.uid, (gid_t)-1), 0);
        snprintf(path, sizeof(path), "%s/fleet.new", a.state);
        cr_assert_eq(mkdir(path, 0700), 0);
        for (int i = 0; i < 2; i++) {
                cr_assert_eq(private_daemon_start_fails(&a), 3);
                expect_log(&a, "cannot write");
                keys = coordinator->list("region/0/host/");
                cr_assert_not_null(strstr(keys, "\"state\":\"released\""));
                cr_assert_null(strstr(keys, "\"state\":\"held\""), "%s", keys);
                free(keys);
        }
        cr_assert_eq(rmdir(path), 0);
        private_daemon_start(&a);
        (void)next(&a, NULL, 0);
        private_daemon_stop(&a);
        end();
}

/* One more than the last, and what it came from. */
static unsigned next_in_order(struct service_manager *m, sfshm *s, struct arena *arena) {
        static uint64_t last;
        uint64_t id = 0;
        int r;

        service_manager_pump(m);
        r = sfshm_next(s, &id);
        cr_assert_eq(r, 0, "sfshm_next: %s", sfshm_strerror(r));
        cr_assert_gt(id, last);
        arena_add(arena, 0, last = id);
        usleep(1000);
        return (unsigned)(id >> 12 & 1023);
}

/* O1, U1, F1: a client whose descriptors wait in the store while the daemon loses its
 * worker IDs attaches anew, in order, and has no error on the way. */
Test(coordinators, a_stored_client_of_lost_workers_attaches_anew) {
        static struct service_manager m;
        struct arena *arena = arena_new(1, 200000);
        uint64_t id;
        unsigned worker;
        char *key;
        sfshm *s;

        begin();
        service_manager_begin(&m, &a);
        service_manager_start(&m);
        s = private_daemon_open(&a, 0);
        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        worker = next_in_order(&m, s, arena);
        service_manager_expect(&m, 3);
        key = only_key("region/0/host/");
        write_as_a_copy(key);
        /* what it holds ends before the daemon does */
        cr_assert_eq(sfshm_set_timeout(s, 0), 0);
        while (waitpid(a.pid, NULL, WNOHANG) == 0) {
                service_manager_pump(&m);
                usleep(1000);
                if (sfshm_next(s, &id) == 0)
                        arena_add(arena, 0, id);
        }
        a.pid = 0;
        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        service_manager_start(&m);
        expect_log(&a, "client-1 are closed and removed");
        for (int i = 0; i < 100; i++)
                cr_assert_neq(next_in_order(&m, s, arena), worker);
        arena_expect_unique(arena);
        arena_free(arena);
        sfshm_close(s);
        private_daemon_stop(&a);
        service_manager_end(&m);
        free(key);
        end();
}

Test(coordinators, damaged_and_missing_keys_are_refused_by_name) {
        char *key;

        begin();
        private_daemon_start(&a);
        private_daemon_signal(&a, SIGKILL, true);
        key = only_key("region/0/host/");
        coordinator->remove(key);
        /* the others go on, but not with worker ID 0 */
        private_daemon_start(&b);
        cr_assert_eq(next(&b, NULL, 0).worker, 1);
        coordinator->put(key, "{\"version\":1}");
        private_daemon_start(&a);
        expect_log(&a, "is damaged: the worker IDs it stood for are refused");
        cr_assert_eq(next(&a, NULL, 0).worker, 2);
        free(key);
        private_daemon_stop(&a);
        /* whoever has worker IDs needs no other */
        prepare(&c);
        coordinator->put("region/0/used", "mistyped");
        cr_assert_eq(private_daemon_start_fails(&c), 3);
        expect_log(&c, "key region/0/used is damaged");
        coordinator->remove("region/0/used");
        cr_assert_eq(private_daemon_start_fails(&c), 3);
        expect_log(&c, "key region/0/used is missing");
        private_daemon_remove(&c);
        coordinator->remove("");
        cr_assert_eq(private_daemon_start_fails(&a), 3);
        expect_log(&a, "but this host had worker IDs from it");
        end();
}

Test(coordinators, away_at_the_start_and_for_longer_than_the_session) {
        struct arena *arena = arena_new(3, 2000);
        unsigned worker;
        char event[64];

        begin();
        coordinator->stop();
        snprintf(event, sizeof(event), "event=%s-claim", coordinator->name);
        private_daemon_waits(&a, event);
        coordinator->start();
        private_daemon_start(&a);
        worker = next(&a, arena, 0).worker;
        coordinator->stop();
        for (int64_t until = test_monotonic_ns() + INT64_C(7000000000);
             test_monotonic_ns() < until;)
                usleep(10000);
        cr_assert_eq(next(&a, arena, 1).worker, worker);
        coordinator->start();
        wait_for_log(&a, "fence-recovered");
        cr_assert_eq(next(&a, arena, 2).worker, worker);
        arena_expect_unique(arena);
        arena_free(arena);
        private_daemon_stop(&a);
        end();
}

/* U1 over a change of the backend, and back: red without floor_tick, where the new run
 * begins at the wall clock; and when the local fence stays beside the record's. */
Test(coordinators, a_host_that_was_alone_begins_above_its_fence) {
        struct arena *arena = arena_new(2, 2000);
        struct private_daemon alone;
        struct sfshm_parts before, after;

        begin();
        private_daemon_remove(&b);
        private_daemon_prepare(&b);
        private_daemon_set(&b, "reserve.standing=1s");
        alone = b;
        private_daemon_start(&b);
        before = next(&b, arena, 0);
        private_daemon_signal(&b, SIGKILL, true);
        private_daemon_lose_segments(&b);
        coordinator->configure(&b);
        private_daemon_start(&b);
        after = next(&b, arena, 1);
        cr_assert_gt(after.unix_ms, before.unix_ms + 2000, "not above the fence");
        arena_expect_unique(arena);
        private_daemon_stop(&b);
        alone.pid = 0;
        cr_assert_eq(private_daemon_start_fails(&alone), 3);
        expect_log(&alone, "shows that this is no first start");
        arena_free(arena);
        end();
}

/* The fence of another epoch or layout is of other ticks: taken for one of these it could
 * be years too high, for good, or too low. Red without identity_check_space(). */
Test(coordinators, a_host_that_was_alone_in_another_space_is_refused) {
        begin();
        private_daemon_remove(&b);
        private_daemon_prepare(&b);
        private_daemon_set(&b, "id.epoch=2020-01-01T00:00:00Z");
        private_daemon_start(&b);
        (void)next(&b, NULL, 0);
        private_daemon_stop(&b);
        coordinator->configure(&b);
        private_daemon_set(&b, "id.epoch=2025-01-01T00:00:00Z");
        cr_assert_eq(private_daemon_start_fails(&b), 3);
        expect_log(&b, "was written with the epoch");
        end();
}

/* Worker IDs of one prefix and of another make equal IDs: a host does not go from one to
 * the other by itself. Red without the comparison of the names in fleet_check_contract(). */
Test(coordinators, another_prefix_is_refused) {
        begin();
        private_daemon_start(&a);
        private_daemon_stop(&a);
        private_daemon_set(&a, "%s.prefix=/other", coordinator->name);
        private_daemon_set(&b, "%s.prefix=/other", coordinator->name);
        private_daemon_start(&b);
        cr_assert_eq(private_daemon_start_fails(&a), 3);
        expect_log(&a, "event=coordinator-other");
        private_daemon_stop(&b);
        end();
}

/* Red when the pauses of a claim are slept through. */
Test(coordinators, a_start_that_waits_can_be_stopped) {
        begin();
        coordinator->stop();
        private_daemon_spawn(&a);
        wait_for_log(&a, "-away)");
        private_daemon_stop(&a);
        coordinator->start();
        end();
}

/* No claim waits while others are free: nothing is left that tells what was promised, and
 * the fence is workers.horizon ahead. Red when a host of the same boot always takes its
 * own again. */
Test(coordinators, without_its_shared_memory_a_host_takes_others) {
        struct arena *arena = arena_new(2, 2000);
        struct sfshm_parts before, after;

        begin();
        private_daemon_start(&a);
        before = next(&a, arena, 0);
        private_daemon_signal(&a, SIGKILL, true);
        private_daemon_lose_segments(&a);
        private_daemon_start(&a);
        after = next(&a, arena, 1);
        cr_assert_neq(after.worker, before.worker);
        cr_assert_lt(after.unix_ms, before.unix_ms + 60000);
        arena_expect_unique(arena);
        arena_free(arena);
        private_daemon_stop(&a);
        end();
}
