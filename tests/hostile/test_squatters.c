/* SPDX-License-Identifier: MIT */
/*
 * F1: names that are taken, state that is not ours or not whole, no memory. The
 * daemon does not start, and says what is wrong with what, and what to do.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(hostile_squatters, .timeout = 120);

static struct private_daemon d;

/* Its exit status must not be 0, and the log name all of these. */
#define REFUSES_TO_START(...) \
        do { \
                cr_expect_neq(private_daemon_start_fails(&d), 0); \
                LOG_HAS(&d, __VA_ARGS__); \
        } while (0)

static void make_file(const char *path, const char *text, mode_t mode, uid_t uid) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

        cr_assert_geq(fd, 0);
        cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        cr_assert_eq(fchmod(fd, mode), 0);
        cr_assert_eq(fchown(fd, uid, uid), 0);
        close(fd);
}

static void start_and_stop(void) {
        private_daemon_start(&d);
        sfshm_close(private_daemon_open(&d, 0));
        private_daemon_stop(&d);
}

/* Red when place_judge() does not compare the owner, or opens before it looks. */
Test(hostile_squatters, s1_a_segment_name_of_another_uid) {
        static const char *const names[] = { "clock", "ledger", "statistics" };
        char path[160];

        prepare_daemon(&d, UID_DAEMON);
        for (int i = 0; i < 3; i++) {
                snprintf(path, sizeof(path), "/dev/shm%s.%s", d.shm, names[i]);
                make_file(path, "", 0666, UID_STRANGER);
                REFUSES_TO_START(path, "is taken by a file of uid 65534", "daemon.shm");
                unlink(path);
        }
        cr_assert_eq(symlink("/etc/passwd", path), 0);
        REFUSES_TO_START("symbolic link");
        unlink(path);
        start_and_stop();
        /* ours, but others could write to it for a while */
        snprintf(path, sizeof(path), "/dev/shm%s.clock", d.shm);
        cr_assert_eq(chmod(path, 0666), 0);
        REFUSES_TO_START("mode 0666", "another user may have changed it", "remove it");
        private_daemon_remove(&d);
}

static bool path_exists(void *path) {
        return access(path, F_OK) == 0;
}

/* Red when remove_stale_socket() unlinks whatever is there, or does not ask who answers. */
Test(hostile_squatters, the_sockets_name) {
        struct private_daemon other;
        char words[64];
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd;

        prepare_daemon(&d, 0);
        make_file(d.socket, "precious", 0600, 0);
        REFUSES_TO_START(d.socket, "is not a socket", "daemon.socket");
        cr_assert(path_exists(d.socket));
        unlink(d.socket);

        /* a dead daemon's: taken over */
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", d.socket);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
        start_and_stop();

        /* a stranger's, and nobody listens: not ours to remove */
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(chown(d.socket, UID_STRANGER, UID_STRANGER), 0);
        close(fd);
        REFUSES_TO_START(d.socket, "belongs to uid 65534", "remove it");
        unlink(d.socket);

        /* a live daemon's: it goes on */
        prepare_daemon(&other, 0);
        private_daemon_set(&other, "daemon.socket=%s", d.socket);
        snprintf(other.socket, sizeof(other.socket), "%s", d.socket);
        private_daemon_start(&other);
        snprintf(words, sizeof(words), "in use by pid %d", (int)other.pid);
        private_daemon_set(&d, "daemon.socket_mode=0600");
        d.socket[0] = '\0'; /* or the answer of the other is taken for its own */
        REFUSES_TO_START(words, "stop that daemon", "daemon.socket");
        sfshm_close(private_daemon_open(&other, 0));
        private_daemon_stop(&other);
        private_daemon_remove(&other);
        private_daemon_remove(&d);
}

/* Red when take_lock() waits, or locked_by_other() forgets the pid; and when
 * place_check_directory() accepts a directory into which others can write. */
Test(hostile_squatters, the_state_directory) {
        struct private_daemon other;
        char pid[32], moved[160];

        prepare_daemon(&d, 0);
        private_daemon_start(&d);
        prepare_daemon(&other, 0);
        private_daemon_set(&other, "daemon.state_dir=%s", d.state);
        snprintf(pid, sizeof(pid), "(pid %d)", (int)d.pid);
        cr_expect_neq(private_daemon_start_fails(&other), 0);
        LOG_HAS(&other, d.state, "held by another sfshmd", pid, "daemon.state_dir");
        sfshm_close(private_daemon_open(&d, 0));
        private_daemon_stop(&d);
        private_daemon_remove(&other);

        cr_assert_eq(chmod(d.state, 0777), 0);
        REFUSES_TO_START("others may write to state directory", d.state, "chmod 0700");
        cr_assert_eq(chmod(d.state, 0700), 0);
        cr_assert_eq(chown(d.state, UID_STRANGER, 0), 0);
        REFUSES_TO_START("belongs to uid 65534", "run it as that user: '");
        cr_assert_eq(chown(d.state, 0, 0), 0);
        snprintf(moved, sizeof(moved), "%s-moved", d.state);
        cr_assert_eq(rename(d.state, moved), 0);
        make_file(d.state, "", 0600, 0);
        REFUSES_TO_START("state directory", "Not a directory");
        unlink(d.state);
        cr_assert_eq(rename(moved, d.state), 0);
        start_and_stop();
        private_daemon_remove(&d);
}

static char *read_file(const char *path, size_t *ret_size) {
        char *text = calloc(1, 65536);
        FILE *file = fopen(path, "re");

        cr_assert_not_null(file, "%s", path);
        *ret_size = fread(text, 1, 65535, file);
        fclose(file);
        return text;
}

static void put_file(const char *path, const char *text, size_t size) {
        FILE *file = fopen(path, "we");

        cr_assert_not_null(file);
        cr_assert_eq(fwrite(text, 1, size, file), size);
        fclose(file);
}

/* Red when fence_file_decode() does not compare the whole of the text with what it
 * would write, or read_state() takes a damaged file for a missing one. */
Test(hostile_squatters, u3_a_torn_or_missing_state) {
        char path[160];
        size_t size;
        char *good;

        prepare_daemon(&d, 0);
        start_and_stop();
        snprintf(path, sizeof(path), "%s/fence", d.state);
        good = read_file(path, &size);
        for (size_t cut = 0; cut < size; cut += size / 5 + 1) {
                put_file(path, good, cut);
                REFUSES_TO_START(path, "torn or damaged", "Put back a good copy");
                unlink(d.log);
        }
        for (size_t at = 0; at < size; at += size / 5 + 1) {
                char *bad = malloc(size);

                memcpy(bad, good, size);
                bad[at] ^= 1;
                put_file(path, bad, size);
                cr_expect_neq(private_daemon_start_fails(&d), 0, "byte %zu", at);
                free(bad);
        }
        unlink(path);
        unlink(d.log);
        REFUSES_TO_START(path, "is missing", "no first start", "Put the file back");
        put_file(path, good, size);
        start_and_stop();
        free(good);
        private_daemon_remove(&d);
}

/* Red when check_state() leaves the layout or the epoch out. */
Test(hostile_squatters, u1_the_state_of_another_id_space) {
        prepare_daemon(&d, 0);
        start_and_stop();
        private_daemon_set(&d, "id.layout=41/9/13");
        REFUSES_TO_START("was written with layout 41/10/12", "id.layout", "Set id.layout");
        private_daemon_set(&d, "id.layout=41/10/12");
        private_daemon_set(&d, "id.epoch=2024-01-01T00:00:00Z");
        REFUSES_TO_START("was written with the epoch", "Set id.epoch back");
        private_daemon_set(&d, "id.epoch=2025-01-01T00:00:00Z");
        start_and_stop();
        private_daemon_remove(&d);
}

/* In a mount namespace of its own: false where that is not allowed. */
static bool own_mounts(void) {
        return unshare(CLONE_NEWNS) == 0 &&
               mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Red when check_state() leaves the machine-id out. */
Test(hostile_squatters, u1_the_state_of_another_machine) {
        char path[160];

        prepare_daemon(&d, 0);
        if (access("/etc/machine-id", F_OK) != 0 || !own_mounts()) {
                private_daemon_remove(&d);
                cr_skip_test("needs /etc/machine-id, and a mount namespace to hide it in");
        }
        start_and_stop();
        snprintf(path, sizeof(path), "%s/machine-id", d.directory);
        make_file(path, "0123456789abcdef0123456789abcdef\n", 0644, 0);
        cr_assert_eq(mount(path, "/etc/machine-id", NULL, MS_BIND, NULL), 0);
        REFUSES_TO_START("was written on another machine", "machine-id", "workers.first");
        cr_assert_eq(umount("/etc/machine-id"), 0);
        start_and_stop();
        private_daemon_remove(&d);
}

/* Red when segments are made without posix_fallocate(): the daemon dies of
 * SIGBUS instead of saying what is full. */
Test(hostile_squatters, f1_no_shared_memory_left) {
        char directory[160];

        prepare_daemon(&d, UID_DAEMON);
        snprintf(directory, sizeof(directory), "%s/shm", d.directory);
        cr_assert_eq(mkdir(directory, 0755), 0);
        if (!own_mounts() || mount("none", directory, "tmpfs", 0, "size=64k,mode=1777") < 0) {
                private_daemon_remove(&d);
                cr_skip_test("needs a mount namespace and a tmpfs");
        }
        private_daemon_set(&d, "daemon.shm=%s", directory);
        REFUSES_TO_START(directory, "is full", "remove files");
        cr_assert_eq(mount("none", directory, NULL, MS_REMOUNT, "size=16m"), 0);
        start_and_stop();
        cr_assert_eq(chmod(directory, 0777), 0);
        REFUSES_TO_START(directory, "others may replace files", "sticky bit");
        /* whatever $TMPDIR is on */
        cr_assert_eq(mount("/proc/sys", directory, NULL, MS_BIND, NULL), 0);
        REFUSES_TO_START(directory, "is not on a tmpfs");
        umount(directory);
        umount(directory);
        private_daemon_remove(&d);
}
