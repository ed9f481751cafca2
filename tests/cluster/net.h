/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Hosts as network namespaces, each joined by veth to a bridge in the test's own. They
 * have no names: descriptors and processes of the test hold them, and the kernel takes
 * them away with the last one, also when the test is killed.
 */
#include <sys/types.h>

struct net_host {
        int fd; /* the namespace */
        unsigned number;
        char address[16];
};

/* The calling process goes into a namespace of its own, with the bridge. Skips the test,
 * and says why, where that is not allowed. */
void net_begin(void);
void net_add(struct net_host *host, unsigned number); /* 1 … 250 */
/* The calling process goes there; a child which is about to exec. */
void net_enter(void *host);
/* What `from` sends to `host` is lost from now on. */
void net_drop(const struct net_host *host, const struct net_host *from);
/* Both ways. */
void net_part(const struct net_host *a, const struct net_host *b);
/* Nothing that is sent to it is lost any more. */
void net_heal(const struct net_host *host);
