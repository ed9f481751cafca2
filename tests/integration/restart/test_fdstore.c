/* SPDX-License-Identifier: MIT */
/*
 * Clients in the service manager's descriptor store: the next daemon goes on with
 * the very same ones, whatever ended the one before. Red when fdstore_restore() gives
 * all of them up, when ledger_adopt_lane() does not find their lanes, or when a
 * clean stop closes their lanes.
 */
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/integration/support/fdstore.h"
#include "tests/support/collect.h"
#include "tests/support/sanitized.h"

TestSuite(fdstore, .timeout = 240);

enum { PROCESSES = 3, PARTS = 5, BURST = 200 };

struct taker {
        sfshm *s;
        struct arena *arena;
        size_t part;
        const _Atomic int *stop;
};

/* Every call must succeed: there always is a reservation. */
static void *take(void *context) {
        struct taker *t = context;
        uint64_t id;

        while (!*t->stop) {
                for (int i = 0; i < BURST; i++) {
                        int r = sfshm_next(t->s, &id);

                        if (r < 0)
                                _exit(50 - r);
                        arena_add(t->arena, t->part, id);
                }
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        return NULL;
}

static void reap(pid_t child) {
        int status = 0;

        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x", (unsigned)status);
}

/* Process 0: a thread; 1: two threads; 2: and a forked child on the same handle. */
static void run_process(unsigned process, struct arena *arena, const _Atomic int *stop) {
        struct taker first = { .arena = arena, .part = process, .stop = stop }, second;
        pid_t child = 0;
        pthread_t thread;

        if (sfshm_open(&first.s, fdstore.daemon.socket, 0) < 0)
                _exit(1);
        second = first;
        second.part = 2 + process;
        if (process == 1 && pthread_create(&thread, NULL, take, &second) != 0)
                _exit(2);
        if (process == 2 && (child = fork_bound()) == 0) {
                take(&second);
                _exit(fdstore_goes_on(second.s) ? 0 : 4);
        }
        take(&first);
        if (process == 1)
                pthread_join(thread, NULL);
        if (process == 2)
                reap(child);
        _exit(fdstore_goes_on(first.s) ? 0 : 3);
}

static void skip_under_tsan(void) {
#ifdef __SANITIZE_THREAD__
        cr_skip_test("ThreadSanitizer allows no threads in a child forked from several");
#endif
}

static void under_load(int signal) {
        const int rounds = sanitized() ? 5 : 20;
        struct arena *arena = arena_new(PARTS, 4 << 20);
        _Atomic int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                 -1, 0);
        pid_t children[PROCESSES];
        uint64_t client;
        sfshm *s;

        skip_under_tsan();
        fdstore_begin();
        for (unsigned i = 0; i < PROCESSES; i++)
                if ((children[i] = fork_bound()) == 0)
                        run_process(i, arena, stop);
        s = private_daemon_open(&fdstore.daemon, SFSHM_PARALLEL);
        client = fdstore_client(s);
        service_manager_expect(&fdstore.manager, (PROCESSES + 1) * FDS_OF_A_CLIENT);
        for (int i = 0; i < rounds; i++) {
                int status = private_daemon_signal(&fdstore.daemon, signal, true);

                cr_assert(signal == SIGKILL || status == 0, "%#x", (unsigned)status);
                service_manager_pump(&fdstore.manager);
                cr_assert_eq(fdstore.manager.n_stored, (PROCESSES + 1) * FDS_OF_A_CLIENT);
                service_manager_start(&fdstore.manager);
                fdstore_expect_extended(s, fdstore_promised(s));
                for (uint64_t id = 1; id <= PROCESSES + 1; id++)
                        cr_assert_eq(fdstore_shown(id, "client"), id, "client %" PRIu64 " is gone",
                                     id);
        }
        *stop = 1;
        for (int i = 0; i < PROCESSES; i++)
                reap(children[i]);
        cr_expect(fdstore_goes_on(s));
        cr_expect_eq(fdstore_client(s), client);
        cr_assert_gt(arena_expect_unique(arena), 1000);
        for (size_t i = 0; i < PARTS; i++)
                arena_expect_increasing(arena, i);
        service_manager_expect(&fdstore.manager, FDS_OF_A_CLIENT);
        sfshm_close(s);
        service_manager_expect(&fdstore.manager, 0);
        fdstore_end();
        arena_free(arena);
}

Test(fdstore, killed_again_and_again_under_load) {
        under_load(SIGKILL);
}

Test(fdstore, restarted_again_and_again_under_load) {
        under_load(SIGTERM);
}

struct wanted {
        uint64_t client, ids;
};

static bool shows_ids(void *context) {
        const struct wanted *w = context;
        uint64_t ids = fdstore_shown(w->client, "ids");

        return ids != UINT64_MAX && ids >= w->ids;
}

/* Red without statistics_adopt(), and when the new daemon takes the client for one
 * that has just attached: its counts are not plausible then. */
Test(fdstore, statistics_do_not_jump) {
        struct wanted w = { .ids = 2000000 };
        uint64_t id, before;
        sfshm *s;

        fdstore_begin();
        s = private_daemon_open(&fdstore.daemon, 0);
        w.client = fdstore_client(s);
        for (int i = 0; i < 3; i++) {
                for (uint64_t n = 0; n < w.ids; n++)
                        cr_assert_eq(sfshm_next(s, &id), 0);
                service_manager_expect(&fdstore.manager, FDS_OF_A_CLIENT);
                cr_assert(wait_until(shows_ids, &w, LIMIT_MS));
                before = fdstore_shown(w.client, "ids");
                private_daemon_signal(&fdstore.daemon, i == 0 ? SIGKILL : SIGTERM, true);
                service_manager_start(&fdstore.manager);
                cr_assert(wait_until(shows_ids, &w, LIMIT_MS));
                cr_expect_geq(fdstore_shown(w.client, "ids"), before);
                cr_expect_leq(fdstore_shown(w.client, "ids"), before + 5000);
                /* the host's go on as well */
                cr_expect_geq(fdstore_shown(0, "ids"), before);
                cr_expect_leq(fdstore_shown(0, "ids"), before + 5000);
                w.ids = before + 1000000;
        }
        sfshm_close(s);
        fdstore_end();
}

/* Also in the take-over. Red when a client is given up whose slot is not as the
 * ledger's (recovery_repair_slot()): it attaches anew. What must be in its slots then is
 * test_kill_points' to say. */
Test(fdstore, the_daemon_is_killed_at_every_store) {
        const unsigned points = getenv("SFSHM_LONG") != NULL ? 200 : 60;
        struct arena *arena = arena_new(PARTS, 4 << 20);
        _Atomic int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                 -1, 0);
        pid_t children[PROCESSES];

        skip_under_tsan();
        fdstore_begin();
        for (unsigned i = 0; i < PROCESSES; i++)
                if ((children[i] = fork_bound()) == 0)
                        run_process(i, arena, stop);
        service_manager_expect(&fdstore.manager, PROCESSES * FDS_OF_A_CLIENT);
        private_daemon_signal(&fdstore.daemon, SIGKILL, true);
        fdstore.daemon.binary = getenv("SFSHMD_FAULTS");
        cr_assert_not_null(fdstore.daemon.binary);
        for (unsigned at = 1; at <= points; at += sanitized() ? 4 : 1) {
                char text[16];
                int status = 0;

                snprintf(text, sizeof(text), "%u", at);
                setenv("SFSHM_FAULT_AT", text, 1);
                private_daemon_spawn(&fdstore.daemon);
                cr_assert_eq(waitpid(fdstore.daemon.pid, &status, 0), fdstore.daemon.pid);
                cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "store %u: %#x", at,
                          (unsigned)status);
                fdstore.daemon.pid = 0;
                service_manager_pump(&fdstore.manager);
                cr_assert_eq(fdstore.manager.n_stored, PROCESSES * FDS_OF_A_CLIENT, "store %u", at);
        }
        unsetenv("SFSHM_FAULT_AT");
        service_manager_start(&fdstore.manager);
        *stop = 1;
        for (int i = 0; i < PROCESSES; i++)
                reap(children[i]);
        cr_assert_gt(arena_expect_unique(arena), 1000);
        for (size_t i = 0; i < PARTS; i++)
                arena_expect_increasing(arena, i);
        fdstore_end();
        arena_free(arena);
}
