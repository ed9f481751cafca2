/* SPDX-License-Identifier: MIT */
/*
 * What the daemon keeps of itself is lost in part, changed, or cannot be
 * written. Whatever is left must keep the next daemon from IDs which an old
 * client still holds, and must not keep it waiting for nothing.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"

TestSuite(state_lost, .timeout = 120);

static struct private_daemon d;

static void lose_segment(const char *segment) {
        char name[160];

        snprintf(name, sizeof(name), "%s.%s", d.shm, segment);
        cr_assert_eq(shm_unlink(name), 0);
}

/* The daemon finds an empty directory from now on. */
static void lose_state_directory(void) {
        char command[200];

        snprintf(command, sizeof(command), "rm -r %s", d.state);
        cr_assert_eq(system(command), 0);
}

static void take_some(sfshm *s, struct arena *arena, size_t part) {
        for (int i = 0; i < 1000; i++) {
                uint64_t id;
                int r = sfshm_next(s, &id);

                cr_assert_eq(r, 0, "%s", sfshm_strerror(r));
                arena_add(arena, part, id);
        }
}

static void expect_log(const char *part) {
        char *log = private_daemon_log(&d);

        cr_assert_not_null(strstr(log, part), "\"%s\" is not in the log:\n%s", part, log);
        free(log);
}

/* A client that holds what is standing. */
static sfshm *settled_client(struct arena *arena) {
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        while (reservation_left_ms(s) < 8000)
                take_some(s, arena, 0);
        return s;
}

/* The old client uses up what it was promised; nobody else is let in. */
static void expect_waiting(sfshm *old, struct arena *arena) {
        sfshm *other = NULL;
        int r = sfshm_open(&other, d.socket, 0);

        if (r == 0)
                take_some(other, arena, 1);
        take_some(old, arena, 0);
        arena_expect_unique(arena);
        cr_assert_eq(r, -ETIME, "a client was let in: %s", sfshm_strerror(r));
}

static void end(sfshm *s, struct arena *arena) {
        sfshm_close(s);
        private_daemon_remove(&d);
        arena_free(arena);
}

/*
 * U1: state directory and ledger are lost, the clock is not. Red when that
 * passes for a first start, as without the fence in the clock segment.
 */
Test(state_lost, the_clock_alone_is_left) {
        struct arena *arena = arena_new(2, 64 << 20);
        sfshm *s = settled_client(arena);

        private_daemon_signal(&d, SIGKILL, true);
        lose_state_directory();
        lose_segment("ledger");
        private_daemon_start(&d);
        expect_waiting(s, arena);
        expect_log("check daemon.state_dir");
        end(s, arena);
}

/*
 * U1: a second daemon waits for the promises of the first and is killed; what it
 * waited by is lost then. Red when the ledger it made does not hold them.
 */
Test(state_lost, one_loss_after_the_other) {
        struct arena *arena = arena_new(2, 64 << 20);
        sfshm *s = settled_client(arena);

        private_daemon_signal(&d, SIGKILL, true);
        lose_state_directory();
        private_daemon_start(&d);
        expect_waiting(s, arena);
        private_daemon_signal(&d, SIGKILL, true);
        lose_segment("clock");
        private_daemon_start(&d);
        expect_waiting(s, arena);
        end(s, arena);
}

/*
 * U1: likewise, but all of the shared memory is lost then: only the second
 * daemon's state directory is left. Red without lease_persist().
 */
Test(state_lost, the_shared_memory_after_the_state) {
        struct arena *arena = arena_new(2, 64 << 20);
        sfshm *s = settled_client(arena);

        private_daemon_signal(&d, SIGKILL, true);
        lose_state_directory();
        private_daemon_start(&d);
        expect_waiting(s, arena);
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_lose_segments(&d);
        private_daemon_start(&d);
        expect_waiting(s, arena);
        private_daemon_signal(&d, SIGTERM, true);
        private_daemon_lose_segments(&d);
        private_daemon_start(&d);
        expect_waiting(s, arena);
        end(s, arena);
}

/*
 * A client that just came is promised 100 ms, and so little is waited for. Red
 * when a clean stop lowers the fence in the state directory alone: the wait is a
 * minute then.
 */
Test(state_lost, a_clean_stop_and_other_workers) {
        struct arena *arena = arena_new(1, 1 << 20);
        int64_t before;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        take_some(s, arena, 0);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_set(&d, "workers.count=2");
        before = test_monotonic_ns();
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        take_some(s, arena, 0);
        cr_assert_lt(test_monotonic_ns() - before, INT64_C(5000000000));
        arena_expect_unique(arena);
        private_daemon_stop(&d);
        end(s, arena);
}

static char blocker[128];

static void block_fence(bool block) {
        char inside[140];

        snprintf(blocker, sizeof(blocker), "%s/fence.new", d.state);
        snprintf(inside, sizeof(inside), "%s/x", blocker);
        if (!block) {
                cr_assert_eq(rmdir(inside), 0);
                cr_assert_eq(rmdir(blocker), 0);
                return;
        }
        /* the daemon may be writing one just now: root cannot be kept out otherwise */
        while (mkdir(blocker, 0700) < 0)
                cr_assert_eq(errno, EEXIST);
        cr_assert_eq(mkdir(inside, 0700), 0);
}

static bool held_back(void *context) {
        uint64_t id;

        return sfshm_next(context, &id) == -ETIME;
}

static bool served(void *context) {
        uint64_t id;

        return sfshm_next(context, &id) == 0;
}

static bool let_in(void *context) {
        (void)context;
        sfshm *s = NULL;
        int r = sfshm_open(&s, d.socket, 0);

        sfshm_close(s);
        return r == 0;
}

/*
 * F1: the fence cannot be written and the clock passes it. Attached clients and
 * new ones are told so, and served again when it can be. Red when the state stays
 * RUNNING: the one waits for ever, the other is told to lease more workers.
 */
Test(state_lost, the_fence_cannot_be_written) {
        sfshm *s, *other = NULL;
        uint64_t id;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        cr_assert_eq(sfshm_next(s, &id), 0);
        cr_assert_eq(sfshm_set_timeout(s, 200000000), 0);
        block_fence(true);
        cr_assert(wait_until(held_back, s, 60000), "it never says why");
        cr_assert_eq(sfshm_open(&other, d.socket, 0), -ETIME);
        expect_log("No IDs: the fence is passed and cannot be raised");
        expect_log("/state/fence (event=clock-stuck)");
        expect_log("was refused: No IDs: the fence is passed");
        expect_log("/state/fence (event=refused)"); /* whole, and no "(0 more before)" */
        /* past what was asked for: with 1 s of reserve.standing, 4 s */
        cr_assert_not(wait_until(served, s, 5000), "above a fence that nobody wrote");
        block_fence(false);
        cr_assert(wait_until(served, s, 60000), "it does not go on:\n%s", private_daemon_log(&d));
        cr_assert(wait_until(let_in, NULL, 60000));
        expect_log("Serving IDs.");
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* In the child: descriptor 3 listens elsewhere than daemon.socket says. */
static void exec_with_socket(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char pid[16], *argv[2 * PRIVATE_DAEMON_SETS + 2] = { "sfshmd" };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), log = open(d.log, O_WRONLY | O_CREAT, 0644);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        for (unsigned i = 0; i < d.n_sets; i++) {
                argv[1 + 2 * i] = "--set";
                argv[2 + 2 * i] = d.sets[i];
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 8) == 0 &&
            dup2(log, STDERR_FILENO) >= 0 && dup2(fd, 3) >= 0)
                execv(getenv("SFSHMD"), argv);
        _exit(127);
}

/* F1. Red when the start tells of daemon.socket although systemd passed another. */
Test(state_lost, a_start_names_the_socket_it_was_passed) {
        char path[96], expected[200];
        sfshm *s = NULL;

        private_daemon_prepare(&d);
        snprintf(path, sizeof(path), "%s/passed", d.directory);
        snprintf(expected, sizeof(expected), "serves workers 0 to 0 on %s", path);
        d.pid = fork();
        if (d.pid == 0)
                exec_with_socket(path);
        snprintf(d.socket, sizeof(d.socket), "%s", path);
        cr_assert(wait_until(let_in, NULL, 30000));
        s = private_daemon_open(&d, 0);
        expect_log(expected);
        sfshm_close(s);
        private_daemon_stop(&d);
        cr_assert_eq(access(path, F_OK), 0, "systemd's socket was unlinked");
        private_daemon_remove(&d);
}
