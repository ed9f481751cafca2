/* SPDX-License-Identifier: MIT */
/* fork, vfork + exec, and many clients at once. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libclient/handle.h"
#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"

TestSuite(processes, .timeout = 120);

static struct private_daemon d;

static void take(sfshm *s, struct arena *arena, size_t part, int64_t duration_ns) {
        int64_t until = test_monotonic_ns() + duration_ns;
        uint64_t id;

        while (test_monotonic_ns() < until)
                if (sfshm_next(s, &id) == 0)
                        arena_add(arena, part, id);
}

static uint32_t generation(const sfshm *s) {
        return atomic_load(&attachment_clock(atomic_load(&s->attachment))->generation);
}

/* Takes until it is served by a daemon that was started after `before`, and on. */
static void take_from_the_next(sfshm *s, struct arena *arena, size_t part, uint32_t before) {
        int64_t until = test_monotonic_ns() + 60000000000;

        while (generation(s) == before || reservation_left_ms(s) == 0) {
                cr_assert_lt(test_monotonic_ns(), until, "did not attach anew");
                take(s, arena, part, 1000000);
        }
        take(s, arena, part, 100000000);
}

static void expect_exit_0(pid_t child) {
        int status = 0;

        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x", (unsigned)status);
}

/* Nothing of the library's is open in a program that is executed. Red without
 * SOCK_CLOEXEC (handshake.c), or when attachment_new() leaves its descriptors
 * open and they came without MSG_CMSG_CLOEXEC. */
Test(processes, exec_inherits_nothing) {
        sfshm *s;
        pid_t child;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, SFSHM_PARALLEL);
        child = vfork();
        if (child == 0) {
                execl("/bin/sh", "sh", "-c",
                      "for f in /proc/self/fd/*; do readlink \"$f\"; done | "
                      "grep -q -e memfd:sfshm -e sfshm-test && exit 1; exit 0", (char *)NULL);
                _exit(127);
        }
        expect_exit_0(child);
        cr_assert_eq(fcntl(atomic_load(&s->attachment)->socket.fd, F_GETFD), FD_CLOEXEC);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/*
 * Parent and child of one handle both find the new daemon on their own, and
 * get lanes of their own. Red when the child takes over the parent's half-made
 * connection, or waits for its busy flag.
 */
Test(processes, parent_and_child_attach_anew_on_their_own) {
        struct arena *arena = arena_new(2, 8 << 20);
        uint32_t before;
        sfshm *s;
        pid_t child;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        before = generation(s);
        take(s, arena, 0, 100000000);
        child = fork_bound();
        if (child == 0) {
                take_from_the_next(s, arena, 1, before);
                _exit(arena->parts[1].used == 0 ||
                      atomic_load(&s->attachment)->older == NULL);
        }
        take(s, arena, 0, 300000000);
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_start(&d);
        take_from_the_next(s, arena, 0, before);
        cr_assert_not_null(atomic_load(&s->attachment)->older, "the parent did not attach anew");
        expect_exit_0(child);
        arena_expect_unique(arena);
        arena_expect_increasing(arena, 0);
        arena_expect_increasing(arena, 1);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

static int descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        int n = 0;

        while (readdir(directory) != NULL)
                n++;
        closedir(directory);
        return n;
}

/* Takes IDs until the handle has attached anew. */
static void expect_new_attachment(sfshm *s, struct arena *arena) {
        const struct attachment *old = atomic_load(&s->attachment);
        int64_t until = test_monotonic_ns() + 20000000000;

        while (atomic_load(&s->attachment) == old) {
                cr_assert_lt(test_monotonic_ns(), until, "did not attach anew");
                take(s, arena, 0, 1000000);
        }
}

/* However often the daemon is started anew, a handle has one descriptor. Red
 * without the dup3() in attachment_follow(). */
Test(processes, restarts_cost_no_descriptor) {
        struct arena *arena = arena_new(1, 1 << 20);
        sfshm *s;
        int before;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        before = descriptors();
        s = private_daemon_open(&d, 0);
        cr_assert_eq(descriptors(), before + 1);
        for (int i = 0; i < 5; i++) {
                private_daemon_signal(&d, SIGKILL, true);
                private_daemon_start(&d);
                expect_new_attachment(s, arena);
                cr_assert_eq(descriptors(), before + 1);
        }
        sfshm_close(s);
        cr_assert_eq(descriptors(), before);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/*
 * The program closes the library's descriptor, as daemons do at their start,
 * and gets its number for a socket of its own. Nothing of the library's goes
 * there, it is not closed, and the handle attaches anew. Red when
 * own_socket_valid() always says yes.
 */
Test(processes, program_takes_the_descriptors_number) {
        struct arena *arena = arena_new(1, 8 << 20);
        int pair[2], number;
        char byte;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        number = atomic_load(&s->attachment)->socket.fd;
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        cr_assert_eq(dup2(pair[0], number), number);
        expect_new_attachment(s, arena);
        take(s, arena, 0, 500000000); /* overflows: hints are sent */
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_start(&d);
        expect_new_attachment(s, arena);
        sfshm_close(s);
        cr_assert_eq(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1, "the library wrote to it");
        cr_assert_eq(errno, EAGAIN);
        cr_assert_geq(fcntl(number, F_GETFD), 0, "the library closed it");
        arena_expect_unique(arena);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/* A child never waits for a step that only a thread of its parent was in. Red
 * without MADV_WIPEONFORK (process_new). */
Test(processes, child_finds_no_step_under_way) {
        sfshm *s;
        pid_t child;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        atomic_store(&s->process->busy, 1);
        s->process->begun_boot_ns = 1;
        child = fork_bound();
        if (child == 0)
                _exit(atomic_load(&s->process->busy) != 0 || s->process->begun_boot_ns != 0);
        expect_exit_0(child);
        atomic_store(&s->process->busy, 0);
        s->process->begun_boot_ns = 0;
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Forked while another thread is in the middle of attaching, again and again. */
Test(processes, fork_during_attach) {
        struct arena *arena = arena_new(21, 1 << 20);
        pid_t children[20];
        uint32_t before;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        before = generation(s);
        reservation_take_until(s, 600);
        private_daemon_signal(&d, SIGKILL, true);
        for (size_t i = 0; i < 20; i++) {
                take(s, arena, 0, 10000000);
                children[i] = fork_bound();
                if (children[i] == 0) {
                        take_from_the_next(s, arena, i + 1, before);
                        _exit(arena->parts[i + 1].used == 0);
                }
                if (i == 10)
                        private_daemon_start(&d);
        }
        take_from_the_next(s, arena, 0, before);
        for (size_t i = 0; i < 20; i++)
                expect_exit_0(children[i]);
        arena_expect_unique(arena);
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/* A thousand clients of one worker ID, all attached at once: every one gets
 * IDs. Red when standing reservations are wider than half the run allows. */
Test(processes, thousand_clients_on_one_worker) {
        enum { CLIENTS = 1000, EACH = 20 };
        struct arena *arena = arena_new(1, CLIENTS * EACH);
        sfshm **handles = calloc(CLIENTS, sizeof(sfshm *));

        private_daemon_prepare(&d);
        private_daemon_set(&d, "limits.uid_clients=0");
        private_daemon_start(&d);
        for (int i = 0; i < CLIENTS; i++)
                handles[i] = private_daemon_open(&d, 0);
        for (int round = 0; round < EACH; round++)
                for (int i = 0; i < CLIENTS; i++) {
                        uint64_t id;
                        int r = sfshm_next(handles[i], &id);

                        cr_assert_eq(r, 0, "client %d: %s", i, sfshm_strerror(r));
                        arena_add(arena, 0, id);
                }
        cr_assert_eq(arena_expect_unique(arena), CLIENTS * EACH);
        for (int i = 0; i < CLIENTS; i++)
                sfshm_close(handles[i]);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        free(handles);
        arena_free(arena);
}

/* Wake-ups of all threads of the daemon so far. */
static uint64_t wakeups(pid_t pid) {
        char path[64], line[256];
        uint64_t sum = 0, n;
        struct dirent *entry;
        DIR *directory;

        snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
        directory = opendir(path);
        cr_assert_not_null(directory);
        while ((entry = readdir(directory)) != NULL) {
                char status[400];
                FILE *file;

                snprintf(status, sizeof(status), "%s/%s/status", path, entry->d_name);
                file = entry->d_name[0] == '.' ? NULL : fopen(status, "re");
                while (file != NULL && fgets(line, sizeof(line), file) != NULL)
                        if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
                                sum += n;
                if (file != NULL)
                        fclose(file);
        }
        closedir(directory);
        return sum;
}

enum { IDLE_CLIENTS = 100 };

static bool all_settled(void *context) {
        sfshm **handles = context;

        for (int i = 0; i < IDLE_CLIENTS; i++)
                if (reservation_left_ms(handles[i]) < 8000)
                        return false;
        return true;
}

/*
 * Tickless: with 100 idle clients the daemon wakes up less than once a second,
 * counted over ten seconds once the clients have settled. Red when the ticker
 * goes on while idle, or standing reservations are extended one by one.
 */
Test(processes, hundred_idle_clients_wake_nobody) {
        enum { CLIENTS = IDLE_CLIENTS, SECONDS = 10 };
        sfshm *handles[CLIENTS];
        uint64_t before, woken;

#ifdef __SANITIZE_THREAD__
        cr_skip_test("ThreadSanitizer's own thread wakes up ten times a second");
#endif
        private_daemon_prepare(&d);
        private_daemon_start(&d);
        for (int i = 0; i < CLIENTS; i++)
                handles[i] = private_daemon_open(&d, 0);
        cr_assert(wait_until(all_settled, handles, 60000));
        before = wakeups(d.pid);
        nanosleep(&(struct timespec){ .tv_sec = SECONDS }, NULL); /* what is counted is time */
        woken = wakeups(d.pid) - before;
        cr_assert_lt(woken, SECONDS, "%lu wake-ups in %d s", (unsigned long)woken, SECONDS);
        for (int i = 0; i < CLIENTS; i++)
                sfshm_close(handles[i]);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}
