/* SPDX-License-Identifier: MIT */
#pragma once
/* A daemon which a benchmark starts and ends itself. */
#include <stdint.h>
#include <sys/types.h>

#include <sfshm.h>

/* Starts `command`; with `preload`, under that library. *ret_exec_ns is when the
 * program began to run (now_ns()); NULL: not wanted. Dies with the benchmark. */
pid_t own_daemon_start(char *const command[], const char *preload, int64_t *ret_exec_ns);
/* Sends the signal and waits until it is dead. */
void own_daemon_end(pid_t pid, int signal);
/* A handle on it, as soon as it listens. */
sfshm *own_daemon_open(void);
