/* SPDX-License-Identifier: MIT */
#include "tests/support/stop_thread.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static int has_name(pid_t pid, const char *tid, const char *name) {
        char path[300], comm[64] = "";
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)pid, tid);
        file = fopen(path, "re");
        if (file == NULL)
                return 0;
        if (fgets(comm, sizeof(comm), file) == NULL)
                comm[0] = '\0';
        fclose(file);
        comm[strcspn(comm, "\n")] = '\0';
        return strcmp(comm, name) == 0;
}

pid_t stop_thread_find(pid_t pid, const char *name) {
        char path[64];
        const struct dirent *entry;
        pid_t tid = 0;
        DIR *tasks;

        snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
        tasks = opendir(path);
        if (tasks == NULL)
                return 0;
        while (tid == 0 && (entry = readdir(tasks)) != NULL)
                if (entry->d_name[0] != '.' && has_name(pid, entry->d_name, name))
                        tid = (pid_t)strtol(entry->d_name, NULL, 10);
        closedir(tasks);
        return tid;
}

int stop_thread(pid_t tid) {
        int status;

        if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0 ||
            ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0)
                return -errno;
        while (waitpid(tid, &status, __WALL) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFSTOPPED(status) ? 0 : -ESRCH;
}

int stop_thread_continue(pid_t tid) {
        return ptrace(PTRACE_DETACH, tid, NULL, NULL) < 0 ? -errno : 0;
}
