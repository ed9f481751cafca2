/* SPDX-License-Identifier: MIT */
/* The lock of worker IDs among the daemons of a host. The locks belong to open files, so
 * two of one process are as strange to each other as two of different processes. */
#include "daemon/lease/worker_lock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/lease/worker_files.h"
#include "tests/support/capture.h"
#include "tests/support/own_space.h"
#include "tests/support/private_daemon.h"

static struct config here;

static void begin(void) {
        here = (struct config){ .backend = (char *)"local", .space = own_space(),
                                .layout = id_layout_default };
        capture_begin();
}
TestSuite(worker_lock, .init = begin);

static struct worker_lock *held(const struct config *config, uint32_t first, uint32_t count) {
        struct worker_lock *lock = NULL;

        cr_assert_eq(worker_lock_new(&lock, config, first, count), 0, "%s", capture_take());
        return lock;
}

static bool is_free(const struct config *config, uint32_t first, uint32_t count) {
        struct worker_lock *lock = NULL;
        int r = worker_lock_new(&lock, config, first, count);

        cr_assert(r == 0 || r == -EEXIST, "%d", r);
        worker_lock_free(lock);
        return r == 0;
}

Test(worker_lock, runs_meet_or_do_not) {
        struct worker_lock *lock = held(&here, 10, 4);

        cr_expect(is_free(&here, 9, 1) && is_free(&here, 14, 1) && is_free(&here, 0, 10));
        cr_expect(!is_free(&here, 9, 2) && !is_free(&here, 13, 1) && !is_free(&here, 13, 100));
        cr_expect(!is_free(&here, 0, 1024) && !is_free(&here, 11, 1));
        worker_lock_free(lock);
        cr_expect(is_free(&here, 0, 1024));
}

/* Red when offset_of() does not hold all worker IDs of the widest field. */
Test(worker_lock, the_last_worker_id_of_32_bits) {
        struct worker_lock *lock = held(&here, UINT32_MAX, 1);

        cr_expect(is_free(&here, UINT32_MAX - 1, 1) && !is_free(&here, UINT32_MAX, 1));
        worker_lock_free(lock);
}

Test(worker_lock, spaces) {
        struct worker_lock *lock = held(&here, 0, 1);
        struct config other = here;

        other.space = (char *)"test other";
        cr_expect(is_free(&other, 0, 1));
        other = here;
        other.layout.epoch_unix_ms++;
        cr_expect(is_free(&other, 0, 1));
        other = here;
        other.layout.worker_bits--, other.layout.sequence_bits++;
        cr_expect(is_free(&other, 0, 1));
        other = here; /* part of the worker field: equal IDs have equal worker fields */
        other.layout.region_bits = 2;
        cr_expect_not(is_free(&other, 0, 1));
        other = here;
        other.backend = (char *)"etcd", other.etcd_prefix = (char *)"/a";
        cr_expect(is_free(&other, 0, 1));
        worker_lock_free(lock);
}

/* A prefix is one space, whatever else follows it. */
Test(worker_lock, prefixes) {
        struct config a = here, b = here;
        struct worker_lock *lock;

        a.backend = (char *)"etcd", a.etcd_prefix = (char *)"/a";
        b.backend = (char *)"zookeeper", b.zookeeper_prefix = (char *)"/a";
        lock = held(&a, 0, 1);
        cr_expect_not(is_free(&a, 0, 1));
        cr_expect_not(is_free(&b, 0, 1), "moved from one coordinator to the other");
        a.etcd_prefix = (char *)"/b";
        cr_expect(is_free(&a, 0, 1));
        worker_lock_free(lock);
}

Test(worker_lock, grows_and_shrinks) {
        struct worker_lock *lock = held(&here, 10, 2), *next = held(&here, 16, 1);

        cr_expect_eq(worker_lock_resize(lock, 6), 0);
        cr_expect_eq(worker_lock_count(lock), 6);
        cr_expect(!is_free(&here, 10, 1) && !is_free(&here, 15, 1));
        cr_expect_eq(worker_lock_resize(lock, 7), -EEXIST);
        cr_expect_eq(worker_lock_count(lock), 6);
        cr_expect(!is_free(&here, 10, 1) && !is_free(&here, 15, 1), "nothing has changed");
        worker_lock_free(next);
        cr_expect_eq(worker_lock_resize(lock, 7), 0);
        cr_expect_eq(worker_lock_resize(lock, 1), 0);
        cr_expect(is_free(&here, 11, 6) && !is_free(&here, 10, 1));
        worker_lock_free(lock);
        cr_expect(is_free(&here, 0, 100));
}

static void hold_for_ever(void) {
        (void)held(&here, 0, 1);
        kill(getpid(), SIGSTOP);
}

static size_t n_files(pid_t pid) {
        char pattern[128];
        glob_t found;
        size_t n;

        snprintf(pattern, sizeof(pattern), WORKER_FILES "/" WORKER_FILE_PREFIX "*.%d.*", (int)pid);
        n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
        globfree(&found);
        return n;
}

/* Red when a lock of a process that is gone counts, or its file stays. */
Test(worker_lock, dies_with_its_process) {
        pid_t child = fork_bound();
        char text[64];
        int status;

        if (child == 0) {
                hold_for_ever();
                _exit(0);
        }
        cr_assert_eq(waitpid(child, &status, WUNTRACED), child);
        cr_assert(WIFSTOPPED(status));
        capture_take();
        cr_expect_not(is_free(&here, 0, 1), "a stopped process holds it");
        snprintf(text, sizeof(text), "process %d of uid %u", (int)child, (unsigned)geteuid());
        cr_assert_contains(capture_take(), text);
        cr_expect_eq(n_files(child), 1);
        kill(child, SIGKILL);
        cr_assert_eq(waitpid(child, NULL, 0), child);
        cr_expect(is_free(&here, 0, 1));
        cr_expect_eq(n_files(child), 0, "what it left is removed");
        cr_expect_eq(n_files(getpid()), 0);
}

static int claim_in_child(int go) {
        struct worker_lock *lock = NULL;
        char byte;

        (void)!read(go, &byte, 1); /* ends for all at once */
        if (worker_lock_new(&lock, &here, 5, 3) < 0)
                return 1;
        kill(getpid(), SIGSTOP);
        return 0;
}

#define RACERS 8
#define RACES 20

/* Of several that start at once exactly one wins. Red when the file gets its name after
 * the search, or when those that meet do not try again. */
Test(worker_lock, several_start_at_once, .timeout = 120) {
        for (int race = 0; race < RACES; race++) {
                pid_t children[RACERS];
                int go[2], winners = 0;

                cr_assert_eq(pipe(go), 0);
                for (int i = 0; i < RACERS; i++) {
                        children[i] = fork_bound();
                        if (children[i] == 0) {
                                close(go[1]);
                                _exit(claim_in_child(go[0]));
                        }
                }
                close(go[0]);
                close(go[1]);
                for (int i = 0; i < RACERS; i++) {
                        int status = 0;

                        cr_assert_eq(waitpid(children[i], &status, WUNTRACED), children[i]);
                        winners += WIFSTOPPED(status);
                        if (!WIFSTOPPED(status))
                                children[i] = 0;
                }
                for (int i = 0; i < RACERS; i++)
                        if (children[i] > 0) {
                                kill(children[i], SIGKILL);
                                waitpid(children[i], NULL, 0);
                        }
                cr_assert_eq(winners, 1, "race %d: %s", race, capture_take());
        }
        cr_assert(is_free(&here, 5, 3));
}
