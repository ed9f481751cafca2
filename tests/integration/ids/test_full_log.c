/* SPDX-License-Identifier: MIT */
/*
 * A1: a daemon whose standard error takes nothing serves as any other, also across its
 * restart. Red when the ledger thread writes to standard error itself.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"

TestSuite(full_log, .timeout = 240);

static struct private_daemon d;
static int log_end;      /* the daemon's standard error; -1: closed */
static rlim_t file_size; /* its limit */

/* Nobody reads the other end, which stays open. */

static void full_pipe(void) {
        static char block[4096];
        int ends[2];

        cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
        while (write(ends[1], block, sizeof(block)) > 0)
                ;
        cr_assert_eq(fcntl(ends[1], F_SETFL, 0), 0);
        log_end = ends[1];
}

static void full_socket(void) {
        static char block[4096];
        int pair[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        while (write(pair[1], block, sizeof(block)) > 0)
                ;
        cr_assert_eq(fcntl(pair[1], F_SETFL, 0), 0);
        log_end = pair[1];
}

static void stopped_terminal(void) {
        int master;

        cr_assert_eq(openpty(&master, &log_end, NULL, NULL, NULL), 0);
        cr_assert_eq(write(master, "\x13", 1), 1);
}

static void full_disk(void) {
        log_end = open("/dev/full", O_WRONLY);
        cr_assert_geq(log_end, 0);
}

/* Larger than any segment, or these could not be made either. */
static void file_at_its_limit(void) {
        file_size = 64 << 20;
        log_end = memfd_create("log", 0);
        cr_assert_eq(ftruncate(log_end, (off_t)file_size), 0);
        cr_assert_eq(lseek(log_end, 0, SEEK_END), (off_t)file_size);
}

static void no_descriptor(void) {
        log_end = -1;
}

static void use_log_end(void *context) {
        struct rlimit limit = { file_size, file_size };

        (void)context;
        if (file_size > 0)
                setrlimit(RLIMIT_FSIZE, &limit);
        close(STDERR_FILENO);
        if (log_end >= 0)
                dup2(log_end, STDERR_FILENO);
}

/* Calls all the time, and opens now and then; none may fail. */
static void take_for(int64_t ms) {
        int64_t until_ns = test_monotonic_ns() + ms * 1000000;
        sfshm *kept = private_daemon_open(&d, 0);
        uint64_t id, last = 0;

        for (unsigned round = 0; test_monotonic_ns() < until_ns; round++) {
                sfshm *s;
                int r = sfshm_open(&s, d.socket, 0);

                cr_assert_eq(r, 0, "open %u: %s", round, sfshm_strerror(r));
                r = sfshm_next(s, &id);
                cr_assert_eq(r, 0, "next after open %u: %s", round, sfshm_strerror(r));
                sfshm_close(s);
                for (int i = 0; i < 100; i++, last = id) {
                        r = sfshm_next(kept, &id);
                        cr_assert_eq(r, 0, "next in round %u: %s", round, sfshm_strerror(r));
                        cr_assert_gt(id, last);
                }
                if (round % 20 == 0) /* it has something to say */
                        private_daemon_signal(&d, SIGHUP, false);
                poll(NULL, 0, 10);
        }
        sfshm_close(kept);
}

static void serves(void (*prepare)(void), int64_t ms) {
        if (getenv("SFSHM_LONG") != NULL)
                ms = 60000;
        signal(SIGPIPE, SIG_IGN);
        prepare();
        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        d.before_exec = use_log_end;
        for (int i = 0; i < 2; i++) {
                private_daemon_start(&d);
                take_for(ms);
                private_daemon_stop(&d);
        }
        private_daemon_remove(&d);
}

Test(full_log, pipe) {
        serves(full_pipe, 1500);
}

Test(full_log, socket) {
        serves(full_socket, 300);
}

Test(full_log, terminal) {
        serves(stopped_terminal, 300);
}

Test(full_log, disk) {
        serves(full_disk, 300);
}

Test(full_log, file_size) {
        serves(file_at_its_limit, 300);
}

Test(full_log, closed) {
        serves(no_descriptor, 300);
}

/* Red when the configuration's errors are written by the main thread: a start that cannot
 * succeed would hang. */
Test(full_log, refused_start) {
        signal(SIGPIPE, SIG_IGN);
        full_pipe();
        private_daemon_prepare(&d);
        private_daemon_set(&d, "no.such_key=1");
        d.before_exec = use_log_end;
        cr_expect_eq(private_daemon_start_fails(&d), 2);
        private_daemon_remove(&d);
}

static bool metric_counts(void *context) {
        static struct tool_result result;
        const char *metric;
        int64_t value = 0;

        (void)context;
        tool_run(&result, "SFSHM_STAT_TOOL",
                 TOOL_ARGUMENTS("--shm", d.shm, "--prometheus"), NULL, 0);
        metric = strstr(result.out, "\nsfshm_log_dropped_total ");
        return metric != NULL && sscanf(metric, " %*s %" SCNd64, &value) == 1 && value > 0;
}

/* Red when fill_counters() does not ask the log. */
Test(full_log, metric) {
        full_disk();
        private_daemon_prepare(&d);
        d.before_exec = use_log_end;
        private_daemon_start(&d);
        cr_expect(wait_until(metric_counts, NULL, 30000));
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}
