/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Stops one thread of another process, as a debugger does; it goes on when the
 * caller lets it or ends. Needs no test framework: the system test's programs
 * use it as well.
 */
#include <sys/types.h>

/* The thread with that name in /proc/PID/task/TID/comm; 0: there is none. */
pid_t stop_thread_find(pid_t pid, const char *name);
/* Returns when it stands still; 0 or -errno. */
int stop_thread(pid_t tid);
int stop_thread_continue(pid_t tid);
