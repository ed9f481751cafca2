/* SPDX-License-Identifier: MIT */
/*
 * A handle that a child inherits into another time namespace: refused there, at the first slow
 * call. Its IDs would be of the future, and the lane's cursor would make its relatives wait.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libclient/handle.h"
#include "shm/clock.h"
#include "tests/support/reservation.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

TestSuite(hostile_time_namespaces, .timeout = 120);

static struct private_daemon d;

static void set_up(void) {
        prepare_daemon(&d, UID_DAEMON);
        private_daemon_start(&d);
}

static void clean(void) {
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Where the child is, and how it got there. */
struct trip {
        const char *offsets; /* as for /proc/self/timens_offsets; NULL: stays */
        bool chroot;         /* no /proc there */
        bool wall_clock_set; /* as if it had been set since the handle was opened */
};

/* 0, or the error of each of the child's calls, or 255 if they differ. */
static int calls(sfshm *s) {
        uint64_t ids[300];
        uint32_t count;
        int r = -sfshm_next(s, ids);

        if (r != -sfshm_next_batch(s, ids, 300) || r != -sfshm_next_span(s, 10, ids, &count) ||
            r != -sfshm_next(s, ids))
                return 255;
        return r;
}

/* Of the process that forks the child, which alone is in the new namespace. */
static int travel(sfshm *s, const struct trip *trip) {
        int fd, status = 0;
        pid_t child;

        if (trip->offsets != NULL) {
                if (unshare(CLONE_NEWTIME) < 0)
                        return errno == EINVAL || errno == ENOSYS ? 200 : 201;
                fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
                if (write(fd, trip->offsets, strlen(trip->offsets)) < 0)
                        return 202;
                close(fd);
        }
        child = fork();
        if (child == 0) {
                if (trip->chroot && (chroot(d.directory) < 0 || chdir("/") < 0))
                        _exit(203);
                if (trip->wall_clock_set)
                        s->place.wall_ns += INT64_C(3600000000000);
                _exit(calls(s));
        }
        waitpid(child, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 204;
}

static void expect_trip(int error, const struct trip *trip, const char *what) {
        sfshm *s = private_daemon_open(&d, 0);
        uint64_t id, before, after;
        int status = 0;
        pid_t pid;

        sfshm_set_timeout(s, INT64_C(60000000000));
        cr_assert_eq(sfshm_next(s, &before), 0);
        pid = fork_bound();
        if (pid == 0)
                _exit(travel(s, trip));
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status), "%s", what);
        if (WEXITSTATUS(status) == 200)
                cr_skip_test("this kernel has no time namespaces");
        cr_expect_eq(WEXITSTATUS(status), error, "%s: %d", what, WEXITSTATUS(status));
        cr_assert_eq(sfshm_next(s, &id), 0);
        after = (uint64_t)time(NULL) * 1000 + 2000 - ID_DEFAULT_EPOCH_UNIX_MS;
        cr_expect_lt(id >> 22, after, "%s: the parent has an ID of the future", what);
        cr_expect_gt(id, before);
        sfshm_close(s);
}

/* Red when process_check() does not compare, compares only one of the readings, or
 * wait_claim() does not call it. */
Test(hostile_time_namespaces, t1_a_child_elsewhere_is_refused, .init = set_up, .fini = clean) {
        expect_trip(EPROTO, &(struct trip){ .offsets = "boottime 8 0\n" }, "ahead");
        expect_trip(EPROTO, &(struct trip){ .offsets = "boottime -3 0\n" }, "behind");
        expect_trip(EPROTO, &(struct trip){ .offsets = "boottime 0 5000000\n" }, "by 5 ms");
        expect_trip(EPROTO, &(struct trip){ .offsets = "boottime 8 0\nmonotonic 8 0\n" }, "both");
        expect_trip(EPROTO, &(struct trip){ .offsets = "boottime 8 0\n", .wall_clock_set = true },
                    "ahead, wall clock set");
        expect_trip(EPROTO, &(struct trip){ .offsets = "boottime 0 0\n", .wall_clock_set = true },
                    "another namespace, of which nothing else is known");
}

Test(hostile_time_namespaces, t1_without_proc_too, .init = set_up, .fini = clean) {
        expect_trip(EPROTO, &(struct trip){ .offsets = "boottime 8 0\n", .chroot = true }, "ahead");
        expect_trip(EPROTO,
                    &(struct trip){ .offsets = "boottime 8 0\n", .chroot = true,
                                    .wall_clock_set = true }, "ahead, wall clock set");
        expect_trip(EPROTO,
                    &(struct trip){ .offsets = "boottime 8 0\nmonotonic 8 0\n", .chroot = true,
                                    .wall_clock_set = true }, "both, wall clock set");
}

/* And nobody else is. Red when any of the comparisons is too strict. */
Test(hostile_time_namespaces, a1_a_child_at_home_is_not, .init = set_up, .fini = clean) {
        expect_trip(0, &(struct trip){ .offsets = NULL }, "an ordinary child");
        expect_trip(0, &(struct trip){ .chroot = true }, "in a chroot");
        expect_trip(0, &(struct trip){ .wall_clock_set = true }, "wall clock set");
        expect_trip(0, &(struct trip){ .chroot = true, .wall_clock_set = true },
                    "in a chroot, wall clock set");
        expect_trip(0, &(struct trip){ .offsets = "monotonic 8 0\n" },
                    "the clock of the ticks is the same");
}
