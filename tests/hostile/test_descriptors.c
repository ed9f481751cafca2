/* SPDX-License-Identifier: MIT */
/*
 * S1: what a client can do with the descriptors it is given, and with the
 * names it can see. The daemon runs once as root, once as a user of its own.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/clock.h"

TestSuite(hostile_descriptors, .timeout = 120);

static struct private_daemon d;

/* What worked, as bits: an exit status. */
enum { OPENED = 1, CHANGED = 2, RESIZED = 4, WRITTEN = 8, SEALED = 16, NO_ATTACH = 128 };

static int attack_path(const char *path) {
        int broken = 0;

        if (open(path, O_RDWR) >= 0 || open(path, O_WRONLY) >= 0)
                broken |= OPENED;
        if (chmod(path, 0666) == 0 || chown(path, UID_STRANGER, UID_STRANGER) == 0)
                broken |= CHANGED;
        if (truncate(path, 0) == 0 || open(path, O_WRONLY | O_TRUNC) >= 0)
                broken |= RESIZED;
        return broken;
}

/* Of a descriptor that is for reading only. */
static int attack_readonly(int fd, size_t size) {
        char self[40];
        void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        int broken;

        snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
        broken = attack_path(self);
        if (fchmod(fd, 0666) == 0 || fchown(fd, UID_STRANGER, UID_STRANGER) == 0)
                broken |= CHANGED;
        if (ftruncate(fd, 0) == 0 || ftruncate(fd, 1 << 20) == 0 ||
            fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0)
                broken |= RESIZED;
        if (write(fd, "x", 1) > 0 ||
            mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED ||
            mprotect(map, size, PROT_READ | PROT_WRITE) == 0 ||
            madvise(map, size, MADV_REMOVE) == 0)
                broken |= WRITTEN;
        for (int seal = F_SEAL_SEAL; seal <= F_SEAL_FUTURE_WRITE; seal *= 2)
                if (fcntl(fd, F_ADD_SEALS, seal) == 0)
                        broken |= SEALED;
        munmap(map, size);
        return broken;
}

static int attack_readonly_ones(void *context) {
        struct raw_client client;

        (void)context;
        if (raw_attach(&d, 2, &client) < 0)
                return NO_ATTACH;
        return attack_readonly(client.clock, client.welcome.clock_size) |
               attack_readonly(client.grants, client.welcome.grants_size);
}

/* The cursors page is the client's to write, but not to resize or seal. */
static int attack_cursors(void *context) {
        struct raw_client client;
        int broken = 0;

        (void)context;
        if (raw_attach(&d, 2, &client) < 0)
                return NO_ATTACH;
        if (fchmod(client.cursors, 0666) == 0 || fchown(client.cursors, UID_STRANGER, 0) == 0)
                broken |= CHANGED;
        if (ftruncate(client.cursors, 0) == 0 || ftruncate(client.cursors, 1 << 20) == 0 ||
            fallocate(client.cursors, 0, client.welcome.cursors_size, 1 << 20) == 0)
                broken |= RESIZED;
        for (int seal = F_SEAL_SEAL; seal <= F_SEAL_FUTURE_WRITE; seal *= 2)
                if (fcntl(client.cursors, F_ADD_SEALS, seal) == 0)
                        broken |= SEALED;
        return broken;
}

static int attack_names(void *context) {
        static const char *const names[] = { "clock", "ledger", "statistics" };
        char path[160];
        int broken = 0;

        (void)context;
        for (int i = 0; i < 3; i++) {
                snprintf(path, sizeof(path), "/dev/shm%s.%s", d.shm, names[i]);
                broken |= attack_path(path);
                if (unlink(path) == 0 || rename(path, "/dev/shm/sfshm-test-stolen") == 0)
                        broken |= CHANGED;
                if ((open(path, O_RDONLY) >= 0) != (i == 0))
                        broken |= i == 0 ? NO_ATTACH : OPENED;
        }
        if (opendir(d.state) != NULL)
                broken |= OPENED;
        snprintf(path, sizeof(path), "%s/lock", d.state);
        return broken | attack_path(path);
}

static void attack_daemon_of(uid_t uid) {
        struct arena *arena = arena_new(1, 1 << 20);
        struct honest honest;

        prepare_daemon(&d, uid);
        private_daemon_start(&d);
        honest_start(&honest, &d, arena, 0);
        cr_expect_eq(attacker_run(UID_STRANGER, attack_readonly_ones, NULL), 0, "clock or grants");
        cr_expect_eq(attacker_run(UID_STRANGER, attack_cursors, NULL), 0, "cursors");
        cr_expect_eq(attacker_run(UID_STRANGER, attack_names, NULL), 0, "names");
        honest_goes_on(&honest, 2000);
        honest_stop(&honest);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/* Red when segment_memfd() sets mode 0666 or leaves F_SEAL_SEAL out, when
 * segments_start() gives the clock mode 0666, or when clients_welcome() passes
 * the grants' own descriptor. */
Test(hostile_descriptors, s1_of_a_root_daemon_can_only_be_read) {
        attack_daemon_of(0);
}

Test(hostile_descriptors, s1_of_an_unprivileged_daemon_can_only_be_read) {
        attack_daemon_of(UID_DAEMON);
}

/* Takes whatever locks it gets on all it can open, and holds them. */
static void lock(int fd) {
        struct flock whole = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

        if (flock(fd, LOCK_EX | LOCK_NB) < 0 && fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)flock(fd, LOCK_EX); /* as soon as whoever holds it dies */
                for (;;)
                        pause();
        }
        (void)fcntl(fd, F_OFD_SETLK, &whole);
        (void)fcntl(fd, F_SETLK, &whole);
        whole.l_type = F_WRLCK;
        (void)fcntl(fd, F_OFD_SETLK, &whole);
        (void)fcntl(fd, F_SETLEASE, F_RDLCK);
        (void)fcntl(fd, F_SETLEASE, F_WRLCK);
        /* of the cursors the daemon shares the open file */
        (void)fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_DIRECT | O_ASYNC);
        (void)fcntl(fd, F_SETOWN, getpid());
        (void)lseek(fd, 1 << 20, SEEK_SET);
}

static int lock_all(void *context) {
        _Atomic uint64_t *shared = context;
        struct raw_client client;
        char name[160];
        int fd;

        if (raw_attach(&d, 1, &client) < 0)
                return NO_ATTACH;
        snprintf(name, sizeof(name), "/dev/shm%s.clock", d.shm);
        fd = open(name, O_RDONLY);
        lock(fd);
        lock(client.clock);
        lock(client.grants);
        lock(client.cursors);
        atomic_store(shared, 1);
        while (getppid() != 1)
                pause();
        return 0;
}

static bool is_set(void *context) {
        return atomic_load((_Atomic uint64_t *)context) != 0;
}

/* Red when the daemon takes a lock of the clock: when segment_open() calls
 * flock() on what it made or adopted. */
Test(hostile_descriptors, s1_locks_stop_neither_daemon_nor_restart) {
        struct arena *arena = arena_new(1, 1 << 20);
        _Atomic uint64_t *locked = shared_new();
        struct honest honest;
        pid_t attacker;

        prepare_daemon(&d, UID_DAEMON);
        private_daemon_start(&d);
        honest_start(&honest, &d, arena, 0);
        honest_goes_on(&honest, 100);
        attacker = attacker_start(UID_STRANGER, lock_all, locked);
        cr_assert(wait_until(is_set, (void *)locked, 20000));
        honest_is_extended(&honest); /* under the locks */
        honest_holds(&honest, 8000);
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_start(&d);
        honest_holds(&honest, 8000);
        honest_goes_on(&honest, 100);
        private_daemon_signal(&d, SIGTERM, true);
        private_daemon_start(&d);
        honest_holds(&honest, 8000);
        honest_goes_on(&honest, 100);
        attacker_kill(attacker);
        honest_stop(&honest);
        arena_expect_unique(arena);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(locked);
        arena_free(arena);
}
