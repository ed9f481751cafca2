/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who is at the other end of a connection. Only what the kernel vouches for:
 * uid and pid from SO_PEERCRED; comm and cgroup are read from /proc and kept
 * only when SO_PEERPIDFD shows that the pid was still that process's after the
 * reading. Nothing a peer says about itself is used.
 */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PEER_COMM 16 /* as in struct statistics_client */

struct peer {
        pid_t pid; /* 0: of a PID namespace which is not visible from here */
        uid_t uid;
        char comm[PEER_COMM];  /* "" when unknown */
        char cgroup[PATH_MAX]; /* "" when unknown */
};

/* uid and pid; comm and cgroup become "". */
int peer_identify(int socket, struct peer *ret);
/* Whether `group` is the peer's effective group or one of its supplementary ones,
 * as they were when it connected (SO_PEERCRED, SO_PEERGROUPS). */
bool peer_in_group(int socket, gid_t group);
/* Fills in comm and cgroup where they can be known for certain. */
void peer_describe(int socket, struct peer *peer);

/* The path of the "0::/path" line of /proc/PID/cgroup. False, and *ret
 * untouched, when there is none or it does not fit. Pure. */
bool peer_parse_cgroup(const char *text, char *ret, size_t size);
