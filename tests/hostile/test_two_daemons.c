/* SPDX-License-Identifier: MIT */
/*
 * U1: two daemons of one host never hand out IDs of the same worker of one space, and
 * nobody else can make them. S1: whoever takes the names in /dev/shm causes a refusal
 * that names him at most.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_REFUSED 3

TestSuite(hostile_two_daemons, .timeout = 120);

static struct private_daemon first, second;

/* Socket, state directory and segments are different; the worker ID and the space are not. */
static void prepare(struct private_daemon *d) {
        private_daemon_prepare(d);
        private_daemon_set(d, "workers.space=%s", first.shm);
}

static void begin(void) {
        prepare(&first);
        prepare(&second);
}

static void finish(void) {
        private_daemon_remove(&second);
        private_daemon_remove(&first);
}

static void start_and_stop(struct private_daemon *d) {
        private_daemon_start(d);
        private_daemon_stop(d);
}

static void expect_refused(struct private_daemon *d, const char *worker, pid_t pid, uid_t uid) {
        char words[128];
        char *log;

        cr_expect_eq(private_daemon_start_fails(d), EXIT_REFUSED);
        log = private_daemon_log(d);
        snprintf(words, sizeof(words), "worker ID %s is another daemon's on this host: process %d "
                 "of uid %u", worker, (int)pid, (unsigned)uid);
        cr_expect_not_null(strstr(log, words), "\"%s\" is not in:\n%s", words, log);
        cr_expect_not_null(strstr(log, "event=worker-held"));
        free(log);
}

/* The case that was measured: 808,881 duplicates among 2 million IDs. */
Test(hostile_two_daemons, u1_the_second_is_refused, .init = begin, .fini = finish) {
        private_daemon_start(&first);
        expect_refused(&second, "0", first.pid, geteuid());
        sfshm_close(private_daemon_open(&first, 0));
        private_daemon_stop(&first);
        start_and_stop(&second);
}

Test(hostile_two_daemons, u1_of_another_user, .init = begin, .fini = finish) {
        need_root();
        first.uid = UID_DAEMON;
        second.uid = UID_STRANGER;
        private_daemon_start(&first);
        expect_refused(&second, "0", first.pid, UID_DAEMON);
        private_daemon_remove(&second);
        prepare(&second); /* root, to whom it belongs otherwise */
        expect_refused(&second, "0", first.pid, UID_DAEMON);
        private_daemon_stop(&first);
        private_daemon_start(&second);
        expect_refused(&first, "0", second.pid, 0);
        private_daemon_stop(&second);
}

static void leave_namespaces(void *context) {
        (void)context;
        if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                _exit(126);
}

Test(hostile_two_daemons, u1_in_other_namespaces, .init = begin, .fini = finish) {
        need_root();
        private_daemon_start(&first);
        second.before_exec = leave_namespaces;
        expect_refused(&second, "0", first.pid, 0);
        private_daemon_stop(&first);
        private_daemon_start(&second);
        expect_refused(&first, "0", second.pid, 0);
        private_daemon_stop(&second);
}

/* The run may grow into the other's at any time. */
Test(hostile_two_daemons, u1_runs_that_overlap, .init = begin, .fini = finish) {
        private_daemon_set(&first, "workers.max_count=4");
        private_daemon_set(&second, "workers.first=3");
        private_daemon_start(&first);
        expect_refused(&second, "3", first.pid, geteuid());
        private_daemon_set(&second, "workers.first=4");
        start_and_stop(&second);
        private_daemon_stop(&first);
}

Test(hostile_two_daemons, other_spaces_start, .init = begin, .fini = finish) {
        static const char *const settings[] = { "workers.space=another of the tests",
                                                "id.epoch=2025-01-01T00:00:00.001Z",
                                                "id.layout=41/9/13" };

        private_daemon_start(&first);
        for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
                private_daemon_remove(&second);
                prepare(&second);
                private_daemon_set(&second, "%s", settings[i]);
                start_and_stop(&second);
        }
        private_daemon_stop(&first);
}

/* The kernel frees them. The first finds them taken when it returns. */
Test(hostile_two_daemons, u1_the_first_was_killed, .init = begin, .fini = finish) {
        pid_t pid;

        private_daemon_start(&first);
        private_daemon_signal(&first, SIGKILL, true);
        start_and_stop(&first);
        private_daemon_start(&first);
        pid = first.pid;
        kill(pid, SIGSTOP);
        expect_refused(&second, "0", pid, geteuid());
        private_daemon_signal(&first, SIGKILL, true);
        private_daemon_start(&second);
        expect_refused(&first, "0", second.pid, geteuid());
        private_daemon_stop(&second);
}

static bool serves(const struct private_daemon *d) {
        sfshm *handle = NULL;
        int r = sfshm_open(&handle, d->socket, 0);

        sfshm_close(handle);
        return r == 0;
}

Test(hostile_two_daemons, u1_both_start_at_once, .init = begin, .fini = finish) {
        for (int i = 0; i < 5; i++) {
                struct private_daemon *loser = &second, *winner = &first;
                int status = 0;
                pid_t pid;

                private_daemon_spawn(&first);
                private_daemon_spawn(&second);
                pid = waitpid(-1, &status, 0);
                cr_assert(WIFEXITED(status));
                cr_assert_eq(WEXITSTATUS(status), EXIT_REFUSED);
                if (pid == first.pid)
                        loser = &first, winner = &second;
                loser->pid = 0;
                UNTIL(serves(winner));
                private_daemon_stop(winner);
        }
}

/* ---- squatters */

/* What another user has to know: the name of the first one's file, which all can see. */
static void find_file(char ret[256]) {
        char pattern[128];
        glob_t found;

        snprintf(pattern, sizeof(pattern), "/dev/shm/sfshm-workers.*.%d.*", (int)first.pid);
        cr_assert_eq(glob(pattern, 0, NULL, &found), 0);
        cr_assert_eq(found.gl_pathc, 1);
        snprintf(ret, 256, "%s", found.gl_pathv[0]);
        globfree(&found);
}

/* As found, of process 4711. */
static void name_of_squatter(char ret[256], const char *suffix) {
        char file[256];

        private_daemon_start(&first);
        find_file(file);
        private_daemon_stop(&first);
        snprintf(ret, 256, "%.*s.4711.%s", (int)(sizeof("/dev/shm/sfshm-workers.") - 1 + 16), file,
                 suffix);
}

static int make_socket(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", path);
        return bind(fd, (struct sockaddr *)&address, sizeof(address));
}

static int make_file(const char *path, mode_t mode) {
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);

        cr_assert_geq(fd, 0);
        cr_assert_eq(fchmod(fd, mode), 0);
        return fd;
}

static int squat(const char *path, int kind) {
        switch (kind) {
        case 0:
                return mkfifo(path, 0644);
        case 1:
                return symlink("/etc/passwd", path);
        case 2:
                return symlink(path, path);
        case 3:
                return mkdir(path, 0755);
        case 4:
                return make_socket(path);
        case 5:
                close(make_file(path, 0644));
                return 0;
        default:
                close(make_file(path, 0600));
                return 0;
        }
}

/* Nothing but a locked file counts, and nothing is waited for. Red when open_claim() opens
 * without O_NONBLOCK (the FIFO), or follows links. */
Test(hostile_two_daemons, s1_names_that_are_taken, .init = begin, .fini = finish) {
        char path[256];

        name_of_squatter(path, "1");
        for (int kind = 0; kind <= 6; kind++) {
                cr_assert_eq(squat(path, kind), 0, "kind %d", kind);
                start_and_stop(&first);
                (void)remove(path);
        }
}

struct squatter {
        char path[256];
        mode_t mode;
};

/* Locks everything, with all there is, until it is killed. */
static int lock_all(void *context) {
        const struct squatter *squatter = context;
        struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd = open(squatter->path, O_RDWR | O_CREAT | O_CLOEXEC, squatter->mode);

        if (fd < 0 || fchmod(fd, squatter->mode) < 0 || fcntl(fd, F_OFD_SETLK, &all) < 0)
                return 1;
        kill(getpid(), SIGSTOP);
        return 0;
}

static pid_t squatter_start(struct squatter *squatter) {
        pid_t pid = attacker_start(UID_STRANGER, lock_all, squatter);
        int status = 0;

        cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
        cr_assert(WIFSTOPPED(status), "it could not lock");
        return pid;
}

Test(hostile_two_daemons, s1_a_squatter_is_named, .init = begin, .fini = finish) {
        struct squatter squatter = { .mode = 0644 };
        pid_t pid;

        need_root();
        first.uid = UID_DAEMON;
        name_of_squatter(squatter.path, "1");
        pid = squatter_start(&squatter);
        expect_refused(&first, "0", 4711, UID_STRANGER);
        attacker_kill(pid);
        start_and_stop(&first); /* his file is there, and nobody locks it */
        cr_expect_eq(unlink(squatter.path), 0);
        /* anybody could have locked that: it says nothing about its owner */
        squatter.mode = 0666;
        pid = squatter_start(&squatter);
        start_and_stop(&first);
        attacker_kill(pid);
        cr_expect_eq(unlink(squatter.path), 0);
}

/* What a stranger can do to the file of a daemon that runs. */
static int tamper(void *context) {
        const char *path = context;
        struct flock all = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
        int fd = open(path, O_RDONLY | O_CLOEXEC), held;

        if (fd < 0 || open(path, O_RDWR | O_CLOEXEC) >= 0 || unlink(path) == 0 ||
            rename(path, "/dev/shm/sfshm-test-elsewhere") == 0)
                return 1;
        all.l_start = INT64_C(0x3fffffff) << 33; /* behind all that is locked */
        held = fcntl(fd, F_OFD_SETLK, &all);
        all.l_start = 0;
        all.l_type = F_WRLCK;
        return held < 0 || fcntl(fd, F_OFD_SETLK, &all) == 0 ? 2 : 0;
}

Test(hostile_two_daemons, u1_nobody_can_hide_the_first, .init = begin, .fini = finish) {
        char path[256];

        need_root();
        first.uid = second.uid = UID_DAEMON;
        private_daemon_start(&first);
        find_file(path);
        cr_expect_eq(attacker_run(UID_STRANGER, tamper, path), 0);
        expect_refused(&second, "0", first.pid, UID_DAEMON);
        private_daemon_stop(&first);
        cr_expect_eq(access(path, F_OK), -1, "it leaves nothing");
}
