/* SPDX-License-Identifier: MIT */
/*
 * From the start of a daemon to the worker IDs which it has from a coordinator, and to
 * its first ID; each time a new host in a region that nobody has used. Starts the daemon
 * itself: its arguments are the daemon's command line, without workers.*.
 * $SFSHM_SOCKET is the socket in it, $SFSHM_BENCH_BACKEND the backend, $SFSHM_BENCH_PLACE
 * the setting that says where it is, $SFSHM_BENCH_STATE a directory for states,
 * $SFSHM_BENCH_SHM what the names of segments begin with.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/support/measure.h"
#include "bench/support/own_daemon.h"

#define RUNS 20u
#define ARGUMENTS_MAX 64
#define SETS 6

static char **command; /* the daemon's, up to its end */
static const char *backend, *place, *states, *segments;

/* Its log, until it says that it serves; what it says goes on to ours. */
static void wait_for_start(int log) {
        char text[16384];
        size_t n = 0;
        ssize_t got;

        while ((got = read(log, text + n, sizeof(text) - 1 - n)) > 0) {
                (void)!write(STDERR_FILENO, text + n, (size_t)got);
                n += (size_t)got;
                text[n] = '\0';
                if (strstr(text, "event=start") != NULL)
                        return;
        }
        fail("the daemon does not start; see its log", 0);
}

static pid_t start(char *const arguments[], int *ret_log, int64_t *ret_exec_ns) {
        int fds[2], own = dup(STDERR_FILENO);
        pid_t pid;

        if (own < 0 || pipe2(fds, O_CLOEXEC) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
                fail("cannot make a pipe", -errno);
        pid = own_daemon_start(arguments, NULL, ret_exec_ns);
        dup2(own, STDERR_FILENO);
        close(own);
        close(fds[1]);
        *ret_log = fds[0];
        return pid;
}

/* The command line of one run more. */
static void complete(char *arguments[ARGUMENTS_MAX], char sets[SETS][256], unsigned count) {
        static unsigned run;
        size_t n = 0;

        run++;
        snprintf(sets[0], 256, "workers.backend=%.64s", backend);
        snprintf(sets[1], 256, "workers.count=%u", count);
        snprintf(sets[2], 256, "%.250s", place);
        snprintf(sets[3], 256, "%.64s.prefix=/bench-%ld-%u", backend, (long)getpid(), run);
        snprintf(sets[4], 256, "daemon.state_dir=%.200s/%ld-%u", states, (long)getpid(), run);
        snprintf(sets[5], 256, "daemon.shm=%.200s.%ld-%u", segments, (long)getpid(), run);
        while (command[n] != NULL && n < ARGUMENTS_MAX - 2 * SETS - 1) {
                arguments[n] = command[n];
                n++;
        }
        for (size_t i = 0; i < SETS; i++) {
                arguments[n++] = "--set";
                arguments[n++] = sets[i];
        }
        arguments[n] = NULL;
}

/* In a space of its own, which the operator begins. */
static void begin_space(char *arguments[ARGUMENTS_MAX]) {
        char *begin[ARGUMENTS_MAX + 2];
        size_t n = 0;

        for (; arguments[n] != NULL; n++)
                begin[n] = arguments[n];
        begin[n++] = "--workers";
        begin[n++] = "--begin";
        begin[n] = NULL;
        own_daemon_end(own_daemon_start(begin, NULL, NULL), 0);
}

static void run_once(unsigned count, double *ret_granted_ms, double *ret_id_ms) {
        char *arguments[ARGUMENTS_MAX], sets[SETS][256];
        int64_t begun_ns, granted_ns, id_ns;
        uint64_t id;
        pid_t pid;
        sfshm *s;
        int log, r;

        complete(arguments, sets, count);
        begin_space(arguments);
        pid = start(arguments, &log, &begun_ns);
        wait_for_start(log);
        granted_ns = now_ns();
        s = own_daemon_open();
        r = sfshm_next(s, &id);
        id_ns = now_ns();
        if (r < 0)
                fail("no ID", r);
        sfshm_close(s);
        own_daemon_end(pid, SIGTERM);
        close(log);
        *ret_granted_ms = (double)(granted_ns - begun_ns) / 1e6;
        *ret_id_ms = (double)(id_ns - begun_ns) / 1e6;
}

static void measure(unsigned count) {
        static double granted_ms[RUNS], id_ms[RUNS];
        char name[80];

        for (unsigned i = 0; i < RUNS; i++)
                run_once(count, &granted_ms[i], &id_ms[i]);
        snprintf(name, sizeof(name), "%u worker IDs granted, median of %u", count, RUNS);
        report(name, percentile(granted_ms, RUNS, 0.5), "ms", TARGET_NONE);
        snprintf(name, sizeof(name), "%u worker IDs granted, max", count);
        report_values(name, percentile(granted_ms, RUNS, 1), "ms", TARGET_BELOW(250), granted_ms,
                      RUNS);
        snprintf(name, sizeof(name), "%u worker IDs, first ID, median", count);
        report_values(name, percentile(id_ms, RUNS, 0.5), "ms", TARGET_NONE, id_ms, RUNS);
}

int main(int argc, char **argv) {
        static const unsigned counts[] = { 1, 16, 128, 1024 };
        char title[300];

        backend = getenv("SFSHM_BENCH_BACKEND");
        place = getenv("SFSHM_BENCH_PLACE");
        states = getenv("SFSHM_BENCH_STATE");
        if (argc < 2)
                fail("usage: bench-claim SFSHMD [ARGUMENT]...", 0);
        segments = getenv("SFSHM_BENCH_SHM");
        if (backend == NULL || place == NULL || states == NULL || segments == NULL)
                fail("set $SFSHM_BENCH_BACKEND, _PLACE, _STATE and _SHM", 0);
        command = argv + 1;
        snprintf(title, sizeof(title), "from the daemon's start to its worker IDs, %.200s",
                 place);
        report_title("claim", title);
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
                measure(counts[i]);
        return 0;
}
