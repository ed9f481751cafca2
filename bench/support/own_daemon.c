/* SPDX-License-Identifier: MIT */
#include "bench/support/own_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/support/measure.h"

#define START_LIMIT_NS (15 * NS_PER_S)

static void run(char *const command[], const char *preload) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (preload != NULL)
                setenv("LD_PRELOAD", preload, 1);
        execv(command[0], command);
        _exit(127);
}

/* The pipe is closed by the exec. */
pid_t own_daemon_start(char *const command[], const char *preload, int64_t *ret_exec_ns) {
        int pipe_fds[2];
        char byte;
        pid_t pid;

        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                fail("cannot make a pipe", -errno);
        pid = fork();
        if (pid < 0)
                fail("cannot fork", -errno);
        if (pid == 0)
                run(command, preload);
        close(pipe_fds[1]);
        while (read(pipe_fds[0], &byte, 1) < 0 && errno == EINTR)
                ;
        if (ret_exec_ns != NULL)
                *ret_exec_ns = now_ns();
        close(pipe_fds[0]);
        return pid;
}

void own_daemon_end(pid_t pid, int signal) {
        int status = 0;

        kill(pid, signal);
        if (waitpid(pid, &status, 0) == pid && signal == SIGKILL && !WIFSIGNALED(status))
                fail("the daemon ended by itself; see its log", 0);
        if (signal != SIGKILL && status != 0)
                fail("the daemon did not end cleanly; see its log", 0);
}

sfshm *own_daemon_open(void) {
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
