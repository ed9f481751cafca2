/* SPDX-License-Identifier: MIT */
/*
 * Processes that share a handle and each take an ID every 100 ms, while the daemon is killed
 * and started again: how many calls fail, and for how long after the start. Once it is back at
 * once, once after their reservation has run out. Starts and ends the daemon itself, as
 * restart.c does.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/support/measure.h"
#include "bench/support/own_daemon.h"

#define MEMBERS_MAX 900u
#define PACE_NS (100 * NS_PER_MS)
#define SETTLE_NS (2 * NS_PER_S)
#define AFTER_NS (6 * NS_PER_S)
#define SERVED_NS (2 * NS_PER_S)
#define CALL_NS NS_PER_S /* time-out of a call */

struct shared {
        _Atomic bool stop;
        _Atomic int64_t started_ns; /* of the daemon that is back; 0: none yet */
        _Atomic uint64_t failures[2]; /* until SERVED_NS after that, and later */
        _Atomic int64_t last_failure_ns;
};

static void member(sfshm *s, struct shared *shared) {
        sleep_ns(rand() % PACE_NS);
        while (!atomic_load(&shared->stop)) {
                uint64_t id;

                if (sfshm_next(s, &id) < 0) {
                        int64_t now = now_ns(), started = atomic_load(&shared->started_ns);

                        atomic_fetch_add(&shared->failures[started != 0 &&
                                                           now - started > SERVED_NS], 1);
                        atomic_store(&shared->last_failure_ns, now);
                }
                sleep_ns(PACE_NS);
        }
}

static pid_t pids[MEMBERS_MAX];

static void fork_members(sfshm *s, struct shared *shared, unsigned members) {
        for (unsigned i = 0; i < members; i++) {
                pids[i] = fork();
                if (pids[i] < 0)
                        fail("cannot fork", -errno);
                if (pids[i] == 0) {
                        prctl(PR_SET_PDEATHSIG, SIGKILL);
                        srand(i);
                        member(s, shared);
                        _exit(0);
                }
        }
}

static void measure(char *const command[], unsigned members, int64_t away_ns) {
        struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int64_t running = 0, last;
        pid_t pid = own_daemon_start(command, NULL, NULL);
        sfshm *s = own_daemon_open();
        char name[80];

        sfshm_set_timeout(s, CALL_NS);
        fork_members(s, shared, members);
        sleep_ns(SETTLE_NS);
        own_daemon_end(pid, SIGKILL);
        sleep_ns(away_ns);
        pid = own_daemon_start(command, NULL, &running);
        atomic_store(&shared->started_ns, running);
        sleep_ns(AFTER_NS);
        atomic_store(&shared->stop, true);
        for (unsigned i = 0; i < members; i++)
                waitpid(pids[i], NULL, 0);
        last = atomic_load(&shared->last_failure_ns);
        snprintf(name, sizeof(name), "%u, away %.0f s: failed from 2 s after the start on", members,
                 (double)away_ns / 1e9);
        report(name, (double)atomic_load(&shared->failures[1]), "calls", TARGET_AT_MOST(0));
        snprintf(name, sizeof(name), "%u, away %.0f s: last failure after the start", members,
                 (double)away_ns / 1e9);
        report(name, last > running ? (double)(last - running) / 1e6 : 0, "ms", TARGET_NONE);
        sfshm_close(s);
        own_daemon_end(pid, SIGKILL);
        munmap(shared, sizeof(*shared));
}

int main(int argc, char **argv) {
        if (argc < 2)
                fail("usage: bench-family SFSHMD [ARGUMENT]...", 0);
        report_title("family", "processes that share a handle, an ID each 100 ms; kill -9");
        measure(argv + 1, 8, 2 * NS_PER_S);
        measure(argv + 1, 300, 0);
        measure(argv + 1, 300, 18 * NS_PER_S);
        measure(argv + 1, MEMBERS_MAX, 0);
        measure(argv + 1, MEMBERS_MAX, 18 * NS_PER_S);
        return 0;
}
