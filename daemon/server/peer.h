/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The process at the other end of a connection. Only what the kernel vouches for is
 * used: uid, gid and pid are from SO_PEERCRED. comm, start and cgroup are read from /proc,
 * and kept only if SO_PEERPIDFD shows that the pid was still that process's after
 * they were read. Nothing that a peer says about itself is used.
 */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PEER_COMM 16 /* as in struct statistics_client */

struct peer {
        pid_t pid; /* 0: of a PID namespace which is not visible from here */
        uid_t uid;
        gid_t gid;
        char comm[PEER_COMM]; /* "" when unknown */
        int64_t start_unix_ms; /* when the process began, by the wall clock of now; 0: unknown */
};

/* uid, gid and pid; comm becomes "". 0 or -errno. */
int peer_identify(int socket, struct peer *ret);
/* Fills in comm and start, and returns the cgroup: "" and 0 unless they are known for
 * certain. */
void peer_describe(int socket, struct peer *peer, char ret_cgroup[PATH_MAX]);
/* Whether `group` is the peer's effective group or one of its supplementary groups
 * at the time it connected (SO_PEERGROUPS). */
bool peer_in_group(int socket, const struct peer *peer, gid_t group);

/* The path of the "0::/path" line of /proc/PID/cgroup. False, and *ret untouched,
 * when there is none or it does not fit. Pure. */
bool peer_parse_cgroup(const char *text, char *ret, size_t size);
/* comm and start, in clock ticks since the boot, of /proc/PID/stat. Likewise. */
bool peer_parse_stat(const char *text, char ret_comm[PEER_COMM], uint64_t *ret_start);
