/* SPDX-License-Identifier: MIT */
/* U1, O1: a run that grows while callers wait, is found grown by the next daemon, and
 * gives its end back to another host. Real daemons, real library, real etcd. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/collect.h"
#include "tests/support/etcd_server.h"
#include "tests/support/private_daemon.h"

TestSuite(growth, .timeout = 500);

enum { TAKERS = 2, WORKERS = 4, LIMIT_MS = 150000 };

static struct private_daemon a, b;
static _Atomic int *stop;

/* Four worker IDs of 32 IDs a millisecond: any machine uses them up. */
static void prepare(struct private_daemon *d) {
        private_daemon_prepare(d);
        private_daemon_set(d, "id.layout=41/17/5");
        private_daemon_set(d, "id.region_bits=15");
        private_daemon_set(d, "workers.max_count=4");
        private_daemon_set(d, "reserve.standing=1s");
}

static void begin_takers(void) {
        stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(stop, MAP_FAILED);
}

/* As much as there is, over any number of daemons. */
static void take(const struct private_daemon *d, struct arena *arena, size_t part) {
        const struct timespec pause = { .tv_nsec = 1000000 };
        sfshm *s = private_daemon_open(d, 0);
        uint64_t id;

        sfshm_set_timeout(s, INT64_C(1000000000));
        while (!*stop) {
                if (sfshm_next(s, &id) == 0)
                        arena_add(arena, part, id);
                else
                        nanosleep(&pause, NULL); /* no daemon */
        }
        sfshm_close(s);
        _exit(0);
}

static void start_takers(const struct private_daemon *d, struct arena *arena) {
        *stop = 0;
        for (size_t i = 0; i < TAKERS; i++)
                if (fork_bound() == 0)
                        take(d, arena, i);
}

static void end_takers(void) {
        *stop = 1;
        for (size_t i = 0; i < TAKERS; i++) {
                int status = 0;

                cr_assert_gt(wait(&status), 0);
                cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x", (unsigned)status);
        }
}

struct line {
        const struct private_daemon *daemon;
        const char *text;
};

static bool logged(void *context) {
        const struct line *line = context;
        char *log = private_daemon_log(line->daemon);
        bool yes = strstr(log, line->text) != NULL;

        free(log);
        return yes;
}

static void expect_log(const struct private_daemon *d, const char *text) {
        struct line line = { d, text };
        char *log;

        if (wait_until(logged, &line, LIMIT_MS))
                return;
        log = private_daemon_log(d);
        cr_assert_fail("the log never said \"%s\":\n%s", text, log);
}

static uint64_t worker_of(uint64_t id) {
        return id >> 5 & 3;
}

/* Of each there are IDs. */
static bool all_workers(void *context) {
        static size_t seen[TAKERS];
        static unsigned found;
        const struct arena *arena = context;

        for (size_t part = 0; part < TAKERS; part++)
                for (size_t used = arena->parts[part].used; seen[part] < used; seen[part]++)
                        found |= 1u << worker_of(arena->parts[part].ids[seen[part]]);
        return found == (1u << WORKERS) - 1;
}

static void expect_stat(const struct private_daemon *d, const char *part) {
        char command[300], text[4096] = "";
        FILE *stat;
        size_t n;

        snprintf(command, sizeof(command), "%s --json --shm %s --socket %s",
                 getenv("SFSHM_STAT_TOOL"), d->shm, d->socket);
        stat = popen(command, "r");
        cr_assert_not_null(stat);
        n = fread(text, 1, sizeof(text) - 1, stat);
        cr_assert_gt(n, 0);
        pclose(stat);
        cr_assert_not_null(strstr(text, part), "%s is not in: %s", part, text);
}

/*
 * Killed as soon as it has grown, with the clients going on: the next daemon serves the
 * grown run at once, and grows it further; when the load has ended it shrinks.
 *
 * Red when begin_run() does not go on with the ledger's count; when the growth of the run
 * does not reach the ledger (reserve_set_run).
 */
Test(growth, under_load_over_kills_and_back) {
        struct arena *arena = arena_new(TAKERS, 16 << 20);

        prepare(&a);
        begin_takers();
        private_daemon_start(&a);
        start_takers(&a, arena);
        expect_log(&a, "grows from 1 to 2 worker IDs, 0 to 1");
        private_daemon_signal(&a, SIGKILL, true);
        remove(a.log);
        private_daemon_start(&a);
        expect_log(&a, "serves workers 0 to 1");
        expect_log(&a, "grows from 2 to 4 worker IDs, 0 to 3");
        expect_stat(&a, "\"worker_count\":4");
        private_daemon_signal(&a, SIGKILL, true);
        remove(a.log);
        private_daemon_start(&a);
        expect_log(&a, "serves workers 0 to 3");
        cr_assert(wait_until(all_workers, arena, LIMIT_MS));
        end_takers();
        for (size_t i = 0; i < TAKERS; i++)
                arena_expect_increasing(arena, i);
        expect_log(&a, "shrinks from 4 to 1 worker IDs");
        start_takers(&a, arena);
        expect_log(&a, "grows from 1 to 2 worker IDs");
        end_takers();
        arena_expect_unique(arena);
        private_daemon_stop(&a);
        private_daemon_remove(&a);
        arena_free(arena);
}

static bool starts(void *context) {
        struct private_daemon *d = context;
        struct line started = { d, "event=start)" }, refused = { d, "workers-none" };

        if (d->pid == 0)
                private_daemon_spawn(d);
        if (logged(&started))
                return true;
        if (logged(&refused)) {
                /* it ends by itself: again */
                private_daemon_signal(d, SIGTERM, true);
                remove(d->log);
        }
        return false;
}

/*
 * A region of four worker IDs: all of them are one host's while its callers wait, over a
 * kill; then another host begins with two which it gave back, and no ID is there twice.
 *
 * Red when fleet_shrink() gives them back with a fence of 0 (and a clock that has gone
 * back), or the daemon before what is held there has run out.
 */
Test(growth, another_host_gets_what_was_given_back) {
        struct arena *arena = arena_new(TAKERS, 16 << 20);
        static struct etcd_server etcd;

        etcd_server_begin(&etcd);
        for (struct private_daemon *d = &a; d != NULL; d = d == &a ? &b : NULL) {
                prepare(d);
                /* workers.first=0 */
                memmove(d->sets[0], d->sets[1], sizeof(d->sets[0]) * --d->n_sets);
                private_daemon_set(d, "workers.backend=etcd");
                private_daemon_set(d, "etcd.endpoints=%s", etcd.url);
                private_daemon_set(d, "etcd.ttl=6s");
                private_daemon_set(d, "workers.recycle_delay=1s");
        }
        private_daemon_set(&b, "workers.count=2");
        begin_takers();
        private_daemon_start(&a);
        start_takers(&a, arena);
        expect_log(&a, "grows from 2 to 4 worker IDs, 0 to 3");
        private_daemon_signal(&a, SIGKILL, true);
        remove(a.log);
        private_daemon_start(&a);
        expect_log(&a, "serves workers 0 to 3");
        cr_assert_neq(private_daemon_start_fails(&b), 0);
        expect_log(&b, "workers-none");
        remove(b.log);
        cr_assert(wait_until(all_workers, arena, LIMIT_MS));
        end_takers();
        expect_log(&a, "shrinks from 4 to 1 worker IDs");
        cr_assert(wait_until(starts, &b, LIMIT_MS));
        expect_log(&b, "serves workers 2 to 3");
        /* both, and the one cannot grow over the other */
        start_takers(&b, arena);
        end_takers();
        start_takers(&a, arena);
        expect_log(&a, "grows from 1 to 2 worker IDs, 0 to 1");
        expect_log(&a, "run-full");
        end_takers();
        arena_expect_unique(arena);
        private_daemon_stop(&a);
        private_daemon_stop(&b);
        private_daemon_remove(&a);
        private_daemon_remove(&b);
        etcd_server_end(&etcd);
        arena_free(arena);
}
