/* SPDX-License-Identifier: MIT */
/* U1: neither a wrong address or prefix nor a coordinator that was emptied makes a second
 * space; sfshm workers --begin does, while daemons are started again and again. Built once
 * for each coordinator, as SFSHM_TEST_COORDINATOR says. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/collect.h"
#include "tests/support/coordinator.h"
#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"

TestSuite(begin, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon a, b;
static struct tool_result result;
static atomic_bool over;

static void prepare(struct private_daemon *d) {
        private_daemon_prepare(d);
        coordinator->configure(d);
        private_daemon_set(d, "reserve.standing=1s");
        private_daemon_set(d, "workers.horizon=2s");
        d->begun = true; /* the test does */
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

#define RUN(d, ...) tool_run_with(&result, d, TOOL_ARGUMENTS(__VA_ARGS__))

static void expect(const char *part) {
        cr_assert(strstr(result.out, part) || strstr(result.err, part), "'%s' is not in: %s%s",
                  part, result.out, result.err);
}

static void expect_refused(struct private_daemon *d, const char *event) {
        remove(d->log);
        cr_assert_eq(private_daemon_start_fails(d), 3);
        expect_log(d, event);
}

static void take(const struct private_daemon *d, struct arena *arena, size_t part) {
        sfshm *s = private_daemon_open(d, 0);

        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        for (int i = 0; i < 1000; i++) {
                uint64_t id = 0;
                int r = sfshm_next(s, &id);

                cr_assert_eq(r, 0, "sfshm_next: %s", sfshm_strerror(r));
                arena_add(arena, part, id);
        }
        sfshm_close(s);
}

/* Restart=always, in a thread that ends after all else: its daemon ends with it. */
static void *keep_up(void *context) {
        struct private_daemon d = *(const struct private_daemon *)context;

        for (; !over; nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL)) {
                if (d.pid != 0 && waitpid(d.pid, NULL, WNOHANG) == d.pid)
                        d.pid = 0;
                if (d.pid == 0)
                        private_daemon_spawn(&d);
        }
        if (d.pid != 0)
                (void)private_daemon_signal(&d, SIGKILL, true);
        return NULL;
}

static void keep_both_up(pthread_t threads[2]) {
        over = false;
        remove(a.log);
        remove(b.log);
        cr_assert_eq(pthread_create(&threads[0], NULL, keep_up, &a), 0);
        cr_assert_eq(pthread_create(&threads[1], NULL, keep_up, &b), 0);
}

static void let_both_end(pthread_t threads[2]) {
        over = true;
        cr_assert_eq(pthread_join(threads[0], NULL), 0);
        cr_assert_eq(pthread_join(threads[1], NULL), 0);
}

/* Red when a claim draws a space of its own. */
Test(begin, U1_an_empty_prefix_is_refused_until_the_operator_begins) {
        char *keys;

        begin();
        expect_refused(&a, "event=coordinator-empty");
        expect_log(&a, "sfshm workers --begin");
        keys = coordinator->list("");
        cr_assert_null(strstr(keys, "contract"), "%s", keys);
        free(keys);
        cr_assert_eq(RUN(&a, "workers", "--begin"), 0, "%s", result.err);
        expect("is begun.");
        cr_assert_eq(RUN(&b, "workers", "--begin"), 3);
        expect("was begun at ");
        private_daemon_start(&a);
        private_daemon_stop(&a);
        end();
}

/* U1: a host without a memory, and one with, whose prefix is mistyped. */
Test(begin, U1_a_mistyped_prefix_is_refused) {
        begin();
        cr_assert_eq(RUN(&a, "workers", "--begin"), 0, "%s", result.err);
        private_daemon_start(&a);
        private_daemon_stop(&a);
        private_daemon_set(&a, "%s.prefix=/sfhsm", coordinator->name);
        private_daemon_set(&b, "%s.prefix=/sfhsm", coordinator->name);
        expect_refused(&a, "event=coordinator-lost");
        expect_refused(&b, "event=coordinator-empty");
        cr_assert_eq(RUN(&a, "workers", "--begin"), 3);
        expect("or its address or prefix is wrong");
        end();
}

static void soon(char text[32]) {
        time_t at = time(NULL) + 20; /* more than a busy machine takes for the command */

        strftime(text, 32, "%FT%TZ", gmtime(&at));
}

/* The recipe for an emptied coordinator: one command on a host of the space. Its hosts and new
 * ones are started again and again meanwhile, and issue no ID twice. */
Test(begin, U1_an_emptied_coordinator_is_refused_and_continued) {
        struct arena *arena = arena_new(3, 2000);
        pthread_t threads[2];
        char time[32];

        begin();
        cr_assert_eq(RUN(&a, "workers", "--begin"), 0, "%s", result.err);
        private_daemon_start(&a);
        take(&a, arena, 0);
        private_daemon_signal(&a, SIGKILL, true);
        coordinator->remove("");
        expect_refused(&b, "event=coordinator-empty");
        expect_refused(&a, "event=coordinator-lost");
        expect_log(&a, "sfshm workers --begin --above TIME");
        keep_both_up(threads);
        cr_assert_eq(RUN(&a, "workers", "--begin"), 3);
        expect("say --above");
        soon(time);
        cr_assert_eq(RUN(&a, "workers", "--begin", "--above", "2025-06-01"), 2);
        expect("--force does it nevertheless");
        cr_assert_eq(RUN(&a, "workers", "--begin", "--above", time), 0, "%s", result.err);
        expect("every claim begins above tick");
        wait_for_log(&a, "event=start)");
        wait_for_log(&b, "event=start)");
        take(&b, arena, 1);
        take(&a, arena, 2);
        let_both_end(threads);
        arena_expect_unique(arena);
        arena_free(arena);
        end();
}

/* The next "KEY VALUE" of a list, split; false: that was all. */
static bool next_key(char **rest, char **key, char **value) {
        *key = strsep(rest, "\n");
        *value = *key != NULL ? strchr(*key, ' ') : NULL;
        if (*value == NULL)
                return false;
        *(*value)++ = '\0';
        return true;
}

/* What was there at the copy, and no other record. */
static void put_back(const char *copied) {
        char *now = coordinator->list("region/0/host/"), *copy = strdup(copied);
        char *rest = now, *key, *value;

        while (next_key(&rest, &key, &value))
                if (strstr(copied, key) == NULL)
                        coordinator->remove(key);
        rest = copy;
        while (next_key(&rest, &key, &value))
                if (value[0] == '{' && strstr(key, "/alive/") == NULL)
                        coordinator->put(key, value);
        free(copy);
        free(now);
}

/* U1: the copy is from before `b` joined, and `a` has renewed since. Without the refusal `b`
 * would be given what it had, with the fence of nobody, and `a` would begin below its own.
 * Red without fleet_check_old_copy(). */
Test(begin, U1_an_old_copy_is_refused_and_continued) {
        struct arena *arena = arena_new(5, 2000);
        pthread_t threads[2];
        char *copy, time[32];

        begin();
        cr_assert_eq(RUN(&a, "workers", "--begin"), 0, "%s", result.err);
        private_daemon_start(&a);
        take(&a, arena, 0);
        private_daemon_stop(&a);
        copy = coordinator->list("");
        private_daemon_start(&b);
        take(&b, arena, 1);
        private_daemon_start(&a);
        take(&a, arena, 2);
        private_daemon_signal(&b, SIGKILL, true);
        private_daemon_signal(&a, SIGKILL, true);
        put_back(copy);
        expect_refused(&b, "event=coordinator-old");
        expect_log(&b, "claims of the region: 1 there, 2 before");
        expect_refused(&a, "event=coordinator-old");
        expect_log(&a, "sfshm workers --begin --above TIME");
        keep_both_up(threads);
        soon(time);
        cr_assert_eq(RUN(&a, "workers", "--begin", "--above", time), 0, "%s", result.err);
        wait_for_log(&a, "event=start)");
        wait_for_log(&b, "event=start)");
        take(&b, arena, 3);
        take(&a, arena, 4);
        let_both_end(threads);
        arena_expect_unique(arena);
        arena_free(arena);
        free(copy);
        end();
}
