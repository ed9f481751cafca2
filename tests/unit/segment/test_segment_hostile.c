/* SPDX-License-Identifier: MIT */
/*
 * Attacks on segments from another uid (S1). Only root can become somebody
 * else: without it they are skipped and say so.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/capture.h"
#include "tests/unit/support/segment_fixture.h"

TestSuite(segment_hostile, .init = segment_fixture_begin, .fini = segment_fixture_remove_all,
          .timeout = 120);

/* Attacks. Each returns a bit when it worked; the child's exit status is the sum. */

static unsigned attack_open(const char *path) {
        unsigned broken = 0;
        int fd = open(path, O_RDWR);

        if (fd >= 0)
                broken |= 1;
        if (open(path, O_WRONLY) >= 0)
                broken |= 1;
        if (truncate(path, 0) == 0 || open(path, O_WRONLY | O_TRUNC) >= 0)
                broken |= 2;
        if (chmod(path, 0666) == 0 || chown(path, STRANGER, STRANGER) == 0)
                broken |= 4;
        return broken;
}

static unsigned attack_descriptor(int fd) {
        char self[32];
        unsigned broken;

        snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        broken = attack_open(self);
        if (fchmod(fd, 0666) == 0 || fchown(fd, STRANGER, STRANGER) == 0)
                broken |= 4;
        if (ftruncate(fd, 0) == 0 || ftruncate(fd, 1 << 20) == 0 ||
            fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0)
                broken |= 8;
        if (write(fd, "x", 1) > 0 ||
            mmap(NULL, SEGMENT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
                broken |= 16;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0)
                broken |= 32;
        return broken;
}

static void become_stranger(void) {
        if (setgroups(0, NULL) < 0 || setresgid(STRANGER, STRANGER, STRANGER) < 0 ||
            setresuid(STRANGER, STRANGER, STRANGER) < 0)
                _exit(255);
}

static unsigned stranger_runs(unsigned (*attack)(int, const char *), int fd, const char *path) {
        int status;
        pid_t pid = fork();

        cr_assert(pid >= 0);
        if (pid == 0) {
                become_stranger();
                _exit((int)attack(fd, path));
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 255);
        return (unsigned)WEXITSTATUS(status);
}

static unsigned on_descriptor(int fd, const char *path) {
        (void)path;
        return attack_descriptor(fd);
}

static unsigned on_descriptor_and_path(int fd, const char *path) {
        unsigned broken = attack_descriptor(fd) | attack_open(path);

        if (unlink(path) == 0 || rename(path, "/dev/shm/sfshm-stolen") == 0)
                broken |= 64;
        return broken;
}

/* The same attacks work where mode and owner do not stand in the way: so they
 * are real, and a segment_memfd() without fchmod() fails the test below. */
Test(segment_hostile, the_attacks_work_on_a_plain_memfd) {
        int fd = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING), readonly;
        struct segment segment = { .fd = fd, .size = SEGMENT_SIZE };

        segment_fixture_need_root();
        cr_assert(fd >= 0 && ftruncate(fd, SEGMENT_SIZE) == 0 && fchmod(fd, 0666) == 0);
        readonly = segment_reopen_readonly(&segment);
        cr_assert(readonly >= 0);
        cr_assert_eq(stranger_runs(on_descriptor, readonly, NULL) & 3, 3);
        close(readonly);
        close(fd);
}

/* Red when segment_memfd() sets mode 0666, or segment_reopen_readonly() opens
 * for writing. */
Test(segment_hostile, s1_a_stranger_with_a_grants_descriptor_can_only_read) {
        struct segment segment = SEGMENT_NONE;
        int fd;

        segment_fixture_need_root();
        cr_assert_eq(segment_memfd(&segment, "grants", SEGMENT_SIZE), 0);
        strcpy(segment.map, "granted");
        fd = segment_reopen_readonly(&segment);
        cr_assert(fd >= 0);
        cr_assert_eq(stranger_runs(on_descriptor, fd, NULL), 0);
        cr_assert_str_eq(segment.map, "granted");
        close(fd);
        segment_close(&segment);
}

/* A client's cursors are its own to write, and nothing more. (Holes it can
 * punch: the daemon reads them as zero.) */
static unsigned on_writable_descriptor(int fd, const char *path) {
        const int seals[] = { F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE,
                              F_SEAL_FUTURE_WRITE };
        unsigned broken = 0;

        (void)path;
        for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++)
                if (fcntl(fd, F_ADD_SEALS, seals[i]) == 0)
                        broken |= 1;
        if (ftruncate(fd, 0) == 0 || ftruncate(fd, SEGMENT_SIZE - 1) == 0)
                broken |= 2;
        if (ftruncate(fd, SEGMENT_SIZE + 1) == 0 || fallocate(fd, 0, SEGMENT_SIZE, 1) == 0 ||
            pwrite(fd, "x", 1, SEGMENT_SIZE) > 0)
                broken |= 4;
        if (fchmod(fd, 0666) == 0 || fchown(fd, STRANGER, STRANGER) == 0)
                broken |= 8;
        if (pwrite(fd, "scribble", 9, 0) != 9)
                broken |= 16;
        return broken;
}

/* Red when segment_memfd() leaves out any of its three seals. */
Test(segment_hostile, s1_a_stranger_with_a_cursors_descriptor_can_only_write) {
        struct segment segment = SEGMENT_NONE;

        segment_fixture_need_root();
        cr_assert_eq(segment_memfd(&segment, "cursors", SEGMENT_SIZE), 0);
        cr_assert_eq(stranger_runs(on_writable_descriptor, segment.fd, NULL), 0);
        cr_assert_str_eq(segment.map, "scribble");
        segment_close(&segment);
}

/* Red when segment_create() makes the file with any write permission for others. */
Test(segment_hostile, s1_a_stranger_can_only_read_the_clock) {
        struct segment segment;
        char path[128];
        int fd;

        segment_fixture_need_root();
        segment = segment_fixture_make(segment_fixture.shm, "clock", 0644);
        snprintf(path, sizeof(path), "/dev/shm%s.clock", segment_fixture.shm);
        strcpy(segment.map, "ticking");
        cr_assert_eq(segment_publish(&segment, segment_fixture.shm, "clock"), 0);
        fd = segment_reopen_readonly(&segment);
        cr_assert(fd >= 0);
        cr_assert_eq(stranger_runs(on_descriptor_and_path, fd, path), 0);
        segment_fixture_check_file(path, 0644);
        cr_assert_str_eq(segment.map, "ticking");
        close(fd);
        segment_close(&segment);
}

static unsigned on_ledger(int fd, const char *path) {
        unsigned broken = attack_open(path);

        (void)fd;
        if (open(path, O_RDONLY) >= 0 || open(path, O_PATH | O_RDWR) < 0)
                broken |= 64; /* to lock a file one must open it */
        if (unlink(path) == 0)
                broken |= 8;
        return broken;
}

/* Red when segment_create() sets 0644 whatever it was asked for. */
Test(segment_hostile, s1_a_stranger_can_neither_read_nor_lock_the_ledger) {
        struct segment segment;
        char path[128];

        segment_fixture_need_root();
        segment = segment_fixture_make(segment_fixture.shm, "ledger", 0600);
        snprintf(path, sizeof(path), "/dev/shm%s.ledger", segment_fixture.shm);
        cr_assert_eq(segment_publish(&segment, segment_fixture.shm, "ledger"), 0);
        cr_assert_eq(stranger_runs(on_ledger, -1, path), 0);
        cr_assert_eq(segment_lock(&segment), 0);
        segment_close(&segment);
}

static unsigned lock_it(int fd, const char *path) {
        (void)path;
        return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 1 : 0;
}

/* Whoever can open a file can lock it, so nothing may depend on a lock of the
 * clock: opening, publishing and adopting go on under a stranger's lock. Red when
 * segment_open() takes the lock of what it adopts. */
Test(segment_hostile, s1_a_strangers_lock_on_the_clock_stops_nothing) {
        struct segment a, b, new;
        int fd;

        segment_fixture_need_root();
        a = segment_fixture_make(segment_fixture.directory, "clock", 0644);
        cr_assert_eq(segment_publish(&a, segment_fixture.directory, "clock"), 0);
        fd = segment_reopen_readonly(&a);
        cr_assert(fd >= 0);
        cr_assert_eq(stranger_runs(lock_it, fd, NULL), 1);
        cr_assert_eq(flock(a.fd, LOCK_EX | LOCK_NB), -1, "the stranger's lock lives in the "
                                                         "shared descriptor");
        b = segment_fixture_make(segment_fixture.directory, "clock", 0644);
        cr_assert(!b.fresh);
        cr_assert_eq(segment_open(&new, segment_fixture.directory, "clock", 2 * SEGMENT_SIZE, 0644,
                                  (gid_t)-1, NULL, NULL),
                     0);
        cr_assert_eq(segment_publish(&new, segment_fixture.directory, "clock"), 0);
        close(fd);
        segment_close(&a);
        segment_close(&b);
        segment_close(&new);
}

/* In a sticky directory a stranger's file can be neither replaced nor removed
 * by an unprivileged daemon: publishing fails and says which name. Red when
 * segment_link() ignores what renameat() returned. */
static unsigned publish_over_roots_file(const char *path) {
        struct segment segment = SEGMENT_NONE;

        if (segment_open(&segment, segment_fixture.shm, "clock", SEGMENT_SIZE, 0644, (gid_t)-1,
                         NULL, NULL) != 0)
                return 1;
        while (access(path, F_OK) != 0)
                sched_yield(); /* root squats the name meanwhile */
        return segment_publish(&segment, segment_fixture.shm, "clock") == -EPERM ? 0 : 2;
}

Test(segment_hostile, a_name_squatted_between_open_and_publish_is_an_error) {
        char path[128];
        int status;
        pid_t pid;

        segment_fixture_need_root();
        snprintf(path, sizeof(path), "/dev/shm%s.clock", segment_fixture.shm);
        pid = fork();
        cr_assert(pid >= 0);
        if (pid == 0) {
                become_stranger();
                _exit((int)publish_over_roots_file(path));
        }
        /* the child's /proc entry shows its unnamed file once it has opened it */
        for (bool opened = false; !opened && waitpid(pid, &status, WNOHANG) == 0;) {
                char command[128];

                snprintf(command, sizeof(command),
                         "ls -l /proc/%d/fd 2>/dev/null | grep -q '/dev/shm/#'", (int)pid);
                opened = system(command) == 0;
        }
        segment_fixture_touch(path, 0600, 1);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status));
        cr_assert_eq(WEXITSTATUS(status), 0);
        cr_assert_contains(capture_take(), path);
}
