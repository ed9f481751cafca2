/* SPDX-License-Identifier: MIT */
/* The real daemon with settings other than the default ones. */
#include <criterion/criterion.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"

#define UID_DAEMON 65534u
#define UID_CLIENT 1001u
#define CLOCK_SLACK_MS 2 /* the guarded clock follows the real one */

TestSuite(settings, .timeout = 120);

static struct private_daemon d;

static void end(sfshm *s) {
        sfshm_close(s);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

static int64_t unix_ms(void) {
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static struct sfshm_parts decode(const sfshm *s, uint64_t id) {
        struct sfshm_layout layout;
        struct sfshm_parts parts;

        cr_assert_eq(sfshm_get_layout(s, &layout), 0);
        cr_assert_eq(sfshm_decode(&layout, id, &parts), 0);
        return parts;
}

static void expect_time(const sfshm *s, uint64_t id, int64_t earliest, int64_t latest) {
        int64_t ms = decode(s, id).unix_ms;

        cr_assert_geq(ms, earliest - CLOCK_SLACK_MS, "%" PRId64 " ms too old", earliest - ms);
        cr_assert_leq(ms, latest + CLOCK_SLACK_MS, "%" PRId64 " ms ahead", ms - latest);
}

static void expect_increasing(const uint64_t *ids, size_t n, uint64_t *last) {
        for (size_t i = 0; i < n; i++) {
                cr_assert_gt(ids[i], *last, "ID %zu of %zu", i, n);
                *last = ids[i];
        }
}

/*
 * T1: a batch wider than a tick begins up to 20 ms ago, in ticks left unused.
 * Red when first_tick() (lane.c) ignores reach_back (no batch begins early), or
 * its limit (too old), or the last tick's use (not increasing).
 */
Test(settings, reach_back) {
        enum { N = 20000, ROUNDS = 60 };
        static uint64_t ids[N];
        uint64_t last = 0;
        unsigned early = 0;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.reach_back=20ms");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        for (unsigned i = 0; i < ROUNDS; i++) {
                int64_t before = unix_ms();

                cr_assert_eq(sfshm_next_batch(s, ids, N), 0);
                expect_increasing(ids, N, &last);
                expect_time(s, ids[0], before - 20, unix_ms());
                expect_time(s, ids[N - 1], before - 20, unix_ms());
                early += decode(s, ids[0]).unix_ms < before - CLOCK_SLACK_MS;
                /* the ticks for the next one pass unused */
                while (unix_ms() < before + 35)
                        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        cr_expect_gt(early, 0, "no batch began in the past");
        end(s);
}

static void expect_layout(unsigned ticks, unsigned workers, unsigned sequence) {
        uint64_t ids[3000], last = 0;
        int64_t before;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "id.layout=%u/%u/%u", ticks, workers, sequence);
        private_daemon_set(&d, "id.region_bits=2");
        private_daemon_set(&d, "id.region=1");
        private_daemon_set(&d, "id.epoch=2020-02-29T12:00:00Z");
        private_daemon_set(&d, "workers.first=3");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        before = unix_ms();
        for (unsigned i = 0; i < 20; i++) {
                cr_assert_eq(sfshm_next_batch(s, ids, 3000), 0);
                expect_increasing(ids, 3000, &last);
                for (unsigned j = 0; j < 3000; j += 7) {
                        struct sfshm_parts parts = decode(s, ids[j]);

                        cr_assert_eq(ids[j] >> 63, 0);
                        cr_assert_eq(parts.region, 1);
                        cr_assert_eq(parts.worker, (1u << (workers - 2)) + 3);
                        cr_assert_lt(parts.sequence, 1u << sequence);
                        expect_time(s, ids[j], before, unix_ms());
                }
        }
        end(s);
}

/* Red when any shift is of the default layout, or the region is not put above
 * the worker (the lease's run). */
Test(settings, layout_42_9_12) {
        expect_layout(42, 9, 12);
}

Test(settings, layout_40_13_10) {
        expect_layout(40, 13, 10);
}

Test(settings, layout_39_12_12) {
        expect_layout(39, 12, 12);
}

static void take_for(sfshm *s, int64_t duration_ms, uint64_t *last) {
        int64_t until = test_monotonic_ns() + duration_ms * 1000000;

        while (test_monotonic_ns() < until) {
                uint64_t id;
                int r = sfshm_next(s, &id);

                cr_assert_eq(r, 0, "%s", sfshm_strerror(r));
                expect_increasing(&id, 1, last);
        }
}

static bool exists(const char *directory, const char *name) {
        char path[200];

        snprintf(path, sizeof(path), "%s/%s", directory, name);
        return access(path, F_OK) == 0;
}

/*
 * The segments are files of a directory, and found again after a kill. Red when
 * place_resolve() takes it for a name, or when a restart makes them anew: the
 * clock's file is another one then.
 */
Test(settings, shm_is_a_directory) {
        char directory[] = "/dev/shm/sfshm-test-XXXXXX", command[200], clock[200];
        struct stat before, after;
        uint64_t last = 0;
        sfshm *s;

        cr_assert_not_null(mkdtemp(directory));
        private_daemon_prepare(&d);
        private_daemon_set(&d, "daemon.shm=%s", directory);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        snprintf(clock, sizeof(clock), "%s/clock", directory);
        cr_expect(exists(directory, "ledger") && exists(directory, "statistics"));
        cr_assert_eq(stat(clock, &before), 0);
        reservation_take_until(s, 8000);
        take_for(s, 100, &last);
        private_daemon_signal(&d, SIGKILL, true);
        take_for(s, 100, &last);
        private_daemon_start(&d);
        take_for(s, 500, &last);
        cr_assert_eq(stat(clock, &after), 0);
        cr_expect_eq(after.st_ino, before.st_ino, "not adopted");
        end(s);
        snprintf(command, sizeof(command), "rm -r %s", directory);
        cr_assert_eq(system(command), 0);
}

static const char *activator(void) {
        static const char *const paths[] = { "/usr/bin/systemd-socket-activate",
                                             "/bin/systemd-socket-activate" };

        for (unsigned i = 0; i < 2; i++)
                if (access(paths[i], X_OK) == 0)
                        return paths[i];
        cr_skip_test("systemd-socket-activate is not installed");
        return NULL;
}

/* The tool passes on no environment of its own accord. */
static char *const passed_on[] = { "TSAN_OPTIONS", "ASAN_OPTIONS", "UBSAN_OPTIONS" };

static void run_activated(const char *tool) {
        char *argv[2 * PRIVATE_DAEMON_SETS + 16] = { "systemd-socket-activate", "--seqpacket",
                                                     "--listen", d.socket };
        unsigned n = 4;

        for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
                if (getenv(passed_on[i]) != NULL) {
                        argv[n++] = "--setenv";
                        argv[n++] = passed_on[i];
                }
        argv[n++] = getenv("SFSHMD");
        for (unsigned i = 0; i < d.n_sets; i++) {
                argv[n++] = "--set";
                argv[n++] = d.sets[i];
        }
        if (!freopen(d.log, "a", stdout) || !freopen(d.log, "a", stderr))
                _exit(125);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(tool, argv);
        _exit(127);
}

static bool is_listening(void *context) {
        (void)context;
        return access(d.socket, F_OK) == 0;
}

/* The first client's connection starts it, and finds it. Red when the daemon
 * binds a socket of its own beside the passed one (listener.c). */
Test(settings, socket_activation) {
        const char *tool = activator();
        uint64_t last = 0;
        sfshm *s = NULL;

        private_daemon_prepare(&d);
        d.pid = fork();
        cr_assert_geq(d.pid, 0);
        if (d.pid == 0)
                run_activated(tool);
        cr_assert(wait_until(is_listening, NULL, 30000));
        for (int r = -ECONNREFUSED; r != 0;) {
                r = sfshm_open(&s, d.socket, 0); /* bound, but not listening yet */
                cr_assert(r == 0 || r == -ECONNREFUSED, "%s", sfshm_strerror(r));
        }
        take_for(s, 300, &last);
        private_daemon_stop(&d);
        cr_expect(is_listening(NULL), "the passed socket is not the daemon's to remove");
        sfshm_close(s);
        private_daemon_remove(&d);
}

static int take_as_client(void) {
        sfshm *s = NULL;
        uint64_t id, last = 0;

        if (setgroups(0, NULL) < 0 || setresgid(UID_CLIENT, UID_CLIENT, UID_CLIENT) < 0 ||
            setresuid(UID_CLIENT, UID_CLIENT, UID_CLIENT) < 0)
                return 126;
        if (sfshm_open(&s, d.socket, 0) < 0)
                return 1;
        for (unsigned i = 0; i < 100000; i++) {
                if (sfshm_next(s, &id) < 0 || id <= last)
                        return 2;
                last = id;
        }
        sfshm_close(s);
        return 0;
}

/* Neither is root. Red when the grants are opened by path for the client, or
 * the clock is not for everybody to read (segment.c). */
Test(settings, unprivileged_daemon_and_client) {
        int status;
        pid_t pid;

        if (geteuid() != 0)
                cr_skip_test("only root can be several users");
        private_daemon_prepare(&d);
        d.uid = UID_DAEMON;
        cr_assert_eq(chown(d.directory, UID_DAEMON, (gid_t)-1), 0);
        private_daemon_set(&d, "daemon.socket_mode=0666");
        private_daemon_start(&d);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0)
                _exit(take_as_client());
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the client: %#x",
                  (unsigned)status);
        end(NULL);
}
