/* SPDX-License-Identifier: MIT */
#pragma once
/* What /proc and the kernel's clocks say of a process. */
#include <stdint.h>
#include <sys/types.h>

pid_t daemon_pid(void); /* $SFSHM_BENCH_DAEMON; does not return without it */

int64_t process_cpu_ns(pid_t pid);      /* user and system, all threads, also those which ended */
int64_t own_cpu_ns(void);               /* of this process, by getrusage(2) */
uint64_t process_switches(pid_t pid);   /* voluntary context switches of all threads: wake-ups */

struct process_memory {
        double rss_kib, pss_kib;
};
struct process_memory process_memory(pid_t pid);
double shared_memory_kib(void); /* Shmem of the whole machine */

void raise_descriptor_limit(void);
