/* SPDX-License-Identifier: MIT */
#pragma once
/* Processes which take IDs one by one, as fast as they get them. */
#include <stdint.h>
#include <sys/types.h>

#define CALLERS_MAX 64

struct caller {
        pid_t pid;
        int error;       /* of sfshm_open() or sfshm_next(); 0 */
        uint64_t ids;    /* taken between start_ns and end_ns */
        int64_t took_ns; /* between its first and its last look at the clock in there */
        int64_t cpu_ns;  /* used in that time */
};

/* Each takes IDs from now on and counts them from `start_ns` to `end_ns`
 * (now_ns()). Returns the callers, in memory shared with them. */
struct caller *callers_start(unsigned n, int64_t start_ns, int64_t end_ns);
/* Until they have ended; does not return when one had an error. */
void callers_wait(const struct caller *callers, unsigned n);
void callers_kill(const struct caller *callers, unsigned n);
