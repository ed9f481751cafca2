/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USERS_KEPT 64u
#define START_FIELD 22 /* proc(5): starttime */

/* Names are asked for once: a directory service may be slow. */
static const char *user_name(uint32_t uid) {
        static struct {
                bool known;
                uint32_t uid;
                char name[64];
        } kept[USERS_KEPT];
        unsigned at = uid % USERS_KEPT;
        const struct passwd *user;

        if (kept[at].known && kept[at].uid == uid)
                return kept[at].name;
        user = getpwuid(uid);
        kept[at].known = true;
        kept[at].uid = uid;
        snprintf(kept[at].name, sizeof(kept[at].name), "%s", user != NULL ? user->pw_name : "");
        return kept[at].name;
}

int64_t process_start_ns(const char *stat) {
        const char *at = strrchr(stat, ')'); /* the name before may hold anything */
        unsigned long long ticks;
        char *end;

        /* field 2 ends here; one blank precedes each further one */
        for (int field = 2; at != NULL && field < START_FIELD; field++)
                at = strchr(at + 1, ' ');
        if (at == NULL)
                return -1;
        errno = 0;
        ticks = strtoull(at + 1, &end, 10);
        if (errno != 0 || end == at + 1 || ticks > INT64_MAX / 1000000000)
                return -1;
        return (int64_t)ticks * (1000000000 / sysconf(_SC_CLK_TCK));
}

bool process_parse_cgroup(const char *text, char ret[TOP_CGROUP_SIZE]) {
        const char *line = text;
        size_t length;

        while (line != NULL && strncmp(line, "0::/", 4) != 0) {
                line = strchr(line, '\n');
                line = line != NULL ? line + 1 : NULL;
        }
        if (line == NULL)
                return false;
        line += 3;
        length = strcspn(line, "\n");
        if (length >= TOP_CGROUP_SIZE)
                length = TOP_CGROUP_SIZE - 1;
        memcpy(ret, line, length);
        ret[length] = '\0';
        return true;
}

static bool read_file(int directory, const char *name, char *ret, size_t size) {
        int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return false;
        n = read(fd, ret, size - 1);
        close(fd);
        ret[n > 0 ? n : 0] = '\0';
        return n > 0;
}

/* The descriptor of the directory belongs to one process, also when its pid is used again. One
 * that started after the client attached is another one. */
static bool process_cgroup(const struct statistics_client *client, char ret[TOP_CGROUP_SIZE]) {
        char path[32], stat[1024], text[4096];
        int64_t start_ns;
        int directory;
        bool found;

        snprintf(path, sizeof(path), "/proc/%u", client->pid);
        directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
                return false;
        found = read_file(directory, "stat", stat, sizeof(stat)) &&
                read_file(directory, "cgroup", text, sizeof(text));
        close(directory);
        if (!found)
                return false;
        start_ns = process_start_ns(stat);
        return start_ns >= 0 && (uint64_t)start_ns <= client->attached_boot_ns &&
               process_parse_cgroup(text, ret);
}

const struct top_host process_host = { .user = user_name, .cgroup = process_cgroup };
