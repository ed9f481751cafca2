/* SPDX-License-Identifier: MIT */
/*
 * The longest call of a client while the daemon is killed and started again,
 * beside the same without. Starts and kills the daemon itself: its arguments
 * are the daemon's command line. $SFSHM_SOCKET is the socket in it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/measure.h"

#define CALLERS 2u
#define RESTARTS 10u
#define QUIET_NS (3 * NS_PER_S)
#define ALIVE_NS (1500 * NS_PER_MS) /* a new attachment's reservation becomes standing after 1 s */
#define DEAD_NS (100 * NS_PER_MS)
#define START_LIMIT_NS (15 * NS_PER_S)

struct caller {
        pthread_t thread;
        sfshm *handle;
        struct histogram calls[2]; /* undisturbed, with restarts */
        uint64_t failures;
        int error; /* of the last that failed */
};

static struct caller callers[CALLERS];
static _Atomic bool stop;
static _Atomic unsigned phase;

static void *call(void *argument) {
        struct caller *c = argument;
        int64_t before = now_ns();

        /* relaxed: when exactly the phase changes does not matter */
        while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
                unsigned now_in = atomic_load_explicit(&phase, memory_order_relaxed);
                int64_t after;
                uint64_t id;
                int r = sfshm_next(c->handle, &id);

                if (r < 0) {
                        c->failures++;
                        c->error = r;
                }
                after = now_ns();
                histogram_add(&c->calls[now_in], after - before);
                before = after;
        }
        return NULL;
}

static pid_t start_daemon(char **command) {
        pid_t pid = fork();

        if (pid < 0)
                fail("cannot fork", -errno);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                execv(command[0], command);
                _exit(127);
        }
        return pid;
}

static void kill_daemon(pid_t pid) {
        int status;

        kill(pid, SIGKILL);
        if (waitpid(pid, &status, 0) == pid && !WIFSIGNALED(status))
                fail("the daemon ended by itself; see its log", 0);
}

/* Until it listens; a handle can be opened then. */
static sfshm *first_handle(void) {
        int64_t limit = now_ns() + START_LIMIT_NS;
        sfshm *s = NULL;
        int r;

        while ((r = sfshm_open(&s, NULL, 0)) < 0) {
                if (now_ns() > limit)
                        fail("the daemon does not answer", r);
                sleep_ns(10 * NS_PER_MS);
        }
        return s;
}

static void start_callers(void) {
        for (unsigned i = 0; i < CALLERS; i++) {
                int error;

                callers[i].handle = first_handle();
                error = pthread_create(&callers[i].thread, NULL, call, &callers[i]);
                if (error != 0)
                        fail("cannot start a thread", -error);
        }
}

static uint64_t stop_callers(struct histogram calls[2]) {
        uint64_t failures = 0;

        atomic_store_explicit(&stop, true, memory_order_relaxed);
        for (unsigned i = 0; i < CALLERS; i++) {
                pthread_join(callers[i].thread, NULL);
                for (unsigned p = 0; p < 2; p++)
                        histogram_merge(&calls[p], &callers[i].calls[p]);
                failures += callers[i].failures;
                if (callers[i].error != 0)
                        printf("  the last failure: %s\n", sfshm_strerror(callers[i].error));
                sfshm_close(callers[i].handle);
        }
        return failures;
}

int main(int argc, char **argv) {
        static struct histogram calls[2];
        uint64_t failures;
        pid_t pid;

        if (argc < 2)
                fail("usage: bench-restart SFSHMD [ARGUMENT]...", 0);
        report_title("restart", "2 saturating callers while the daemon is killed 10 times");
        pid = start_daemon(argv + 1);
        start_callers();
        sleep_ns(QUIET_NS);
        atomic_store_explicit(&phase, 1, memory_order_relaxed);
        for (unsigned i = 0; i < RESTARTS; i++) {
                kill_daemon(pid);
                sleep_ns(DEAD_NS);
                pid = start_daemon(argv + 1);
                sleep_ns(ALIVE_NS);
        }
        failures = stop_callers(calls);
        kill_daemon(pid);
        histogram_report("undisturbed", &calls[0], TARGET_NONE);
        histogram_report("with restarts", &calls[1], TARGET_NONE);
        report("calls that failed", (double)failures, "calls", TARGET_AT_MOST(0));
        return 0;
}
