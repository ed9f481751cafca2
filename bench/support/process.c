/* SPDX-License-Identifier: MIT */
#include "bench/support/process.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/support/measure.h"

pid_t daemon_pid(void) {
        const char *text = getenv("SFSHM_BENCH_DAEMON");
        long pid = text != NULL ? strtol(text, NULL, 10) : 0;

        if (pid <= 0)
                fail("set $SFSHM_BENCH_DAEMON to the daemon's process ID", 0);
        return (pid_t)pid;
}

int64_t process_cpu_ns(pid_t pid) {
        struct timespec ts;
        clockid_t clock;
        int error = clock_getcpuclockid(pid, &clock);

        if (error != 0 || clock_gettime(clock, &ts) < 0)
                fail("cannot read the CPU time of the daemon", error != 0 ? -error : -errno);
        return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t own_cpu_ns(void) {
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
               (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * INT64_C(1000);
}

/* The number behind `key` in a file of lines "key: number"; 0 without it. */
static uint64_t number_in(const char *path, const char *key) {
        FILE *file = fopen(path, "re");
        unsigned long long number = 0;
        char line[256];

        if (file == NULL)
                return 0;
        while (fgets(line, sizeof(line), file) != NULL)
                if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':') {
                        number = strtoull(line + strlen(key) + 1, NULL, 10);
                        break;
                }
        fclose(file);
        return number;
}

uint64_t process_switches(pid_t pid) {
        char path[64 + 256];
        const struct dirent *entry;
        uint64_t sum = 0;
        DIR *tasks;

        snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
        tasks = opendir(path);
        if (tasks == NULL)
                fail("cannot list the daemon's threads", -errno);
        while ((entry = readdir(tasks)) != NULL) {
                if (entry->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, entry->d_name);
                sum += number_in(path, "voluntary_ctxt_switches");
        }
        closedir(tasks);
        return sum;
}

struct process_memory process_memory(pid_t pid) {
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
        return (struct process_memory){ .rss_kib = (double)number_in(path, "Rss"),
                                        .pss_kib = (double)number_in(path, "Pss") };
}

double shared_memory_kib(void) {
        return (double)number_in("/proc/meminfo", "Shmem");
}

void raise_descriptor_limit(void) {
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) < 0)
                return;
        files.rlim_cur = files.rlim_max;
        /* without it fewer handles can be open; opening them says so */
        (void)setrlimit(RLIMIT_NOFILE, &files);
}
