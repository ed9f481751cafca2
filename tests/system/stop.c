/* SPDX-License-Identifier: MIT */
/* stop PID NAME: the thread of that name stands still until the process dies. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/support/stop_thread.h"

int main(int argc, char *argv[]) {
        pid_t pid = argc == 3 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
        pid_t tid = pid > 0 ? stop_thread_find(pid, argv[2]) : 0;
        int status;

        if (tid == 0 || stop_thread(tid) < 0) {
                fprintf(stderr, "usage: stop PID NAME, of a thread that can be stopped\n");
                return 1;
        }
        /* the signal that ends it is the first that is reported */
        waitpid(tid, &status, __WALL);
        return 0;
}
