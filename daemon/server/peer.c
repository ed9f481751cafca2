/* SPDX-License-Identifier: MIT */
#include "daemon/server/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/util/time.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* linux 6.5 */
#endif
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* linux 4.13 */
#endif
#define GROUPS_USUAL 64u

int peer_identify(int socket, struct peer *ret) {
        struct ucred credentials;
        socklen_t length = sizeof(credentials);

        if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
                return -errno;
        *ret = (struct peer){ .pid = credentials.pid, .uid = credentials.uid,
                              .gid = credentials.gid };
        return 0;
}

static bool is_among(const gid_t *groups, socklen_t length, gid_t group) {
        for (size_t i = 0; i < length / sizeof(*groups); i++)
                if (groups[i] == group)
                        return true;
        return false;
}

/* For more than GROUPS_USUAL groups; they take `length` bytes. */
static bool in_many_groups(int socket, socklen_t length, gid_t group) {
        gid_t *groups = malloc(length);
        bool found = groups != NULL &&
                     getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0 &&
                     is_among(groups, length, group);

        free(groups);
        return found;
}

bool peer_in_group(int socket, const struct peer *peer, gid_t group) {
        gid_t groups[GROUPS_USUAL];
        socklen_t length = sizeof(groups);

        if (peer->gid == group)
                return true;
        if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0)
                return is_among(groups, length, group);
        /* the kernel has stored the length that is needed */
        return errno == ERANGE && in_many_groups(socket, length, group);
}

bool peer_parse_cgroup(const char *text, char *ret, size_t size) {
        const char *line = text;

        while (line != NULL && strncmp(line, "0::/", 4) != 0) {
                line = strchr(line, '\n');
                line = line != NULL ? line + 1 : NULL;
        }
        if (line == NULL)
                return false;
        line += 3;
        size_t length = strcspn(line, "\n");
        /* a line without an end was cut off */
        if (line[length] != '\n' || length >= size)
                return false;
        memcpy(ret, line, length);
        ret[length] = '\0';
        return true;
}

/* The name may hold blanks and brackets: it ends at the last one. */
bool peer_parse_stat(const char *text, char ret_comm[PEER_COMM], uint64_t *ret_start) {
        const char *open = strchr(text, '('), *close = strrchr(text, ')'), *at = close;
        unsigned long long start;

        if (open == NULL || close == NULL || close < open)
                return false;
        /* start is field 22; the blank before field 3 follows the bracket */
        for (unsigned field = 3; at != NULL && field <= 22; field++)
                at = strchr(at + 1, ' ');
        if (at == NULL || sscanf(at, "%llu", &start) != 1)
                return false;
        snprintf(ret_comm, PEER_COMM, "%.*s", (int)(close - open - 1), open + 1);
        *ret_start = start;
        return true;
}

static int64_t start_unix_ms(uint64_t start) {
        int64_t since_boot = (int64_t)(start * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));

        return (time_ns(CLOCK_REALTIME) - time_ns(CLOCK_BOOTTIME)) / NS_PER_MS + since_boot;
}

/* A whole small file of /proc/PID as a string; false if it does not fit. The kernel makes it
 * for the first read, and it stands between HELLO and WELCOME: there is no second one. */
static bool read_proc(pid_t pid, const char *name, char *ret, size_t size) {
        char path[64];
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return false;
        n = read(fd, ret, size);
        close(fd);
        if (n < 0 || (size_t)n >= size)
                return false;
        ret[n] = '\0';
        return true;
}

/* A pidfd becomes readable when its process is dead; only then may the pid be reused. */
static bool pidfd_alive(int pidfd) {
        struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

        return poll(&poll_fd, 1, 0) == 0;
}

void peer_describe(int socket, struct peer *peer, char ret_cgroup[PATH_MAX]) {
        char stat[1024], comm[PEER_COMM], text[PATH_MAX + 256], cgroup[PATH_MAX];
        uint64_t start;
        int pidfd = -1;
        socklen_t length = sizeof(pidfd);

        ret_cgroup[0] = '\0';
        if (peer->pid <= 0 ||
            getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) < 0 || pidfd < 0)
                return;
        bool has_stat = read_proc(peer->pid, "stat", stat, sizeof(stat)) &&
                        peer_parse_stat(stat, comm, &start);
        bool has_cgroup = read_proc(peer->pid, "cgroup", text, sizeof(text)) &&
                          peer_parse_cgroup(text, cgroup, sizeof(cgroup));
        bool alive = pidfd_alive(pidfd);

        close(pidfd);
        if (!alive)
                return;
        if (has_stat) {
                memcpy(peer->comm, comm, sizeof(peer->comm));
                peer->start_unix_ms = start_unix_ms(start);
        }
        if (has_cgroup)
                memcpy(ret_cgroup, cgroup, sizeof(cgroup));
}
