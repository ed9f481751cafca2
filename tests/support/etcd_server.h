/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An etcd of the test's own, one node, with its data in a directory that is removed
 * with it. Every function fails the test when it cannot do what it says.
 */
#include <stdbool.h>
#include <sys/types.h>

struct etcd_server {
        pid_t pid; /* 0: not running */
        char directory[64];
        char url[64];
        char peer_url[64];
};

/* Free ports, a fresh directory; starts it and waits until it serves. */
void etcd_server_begin(struct etcd_server *e);
void etcd_server_start(struct etcd_server *e); /* again, with its data */
void etcd_server_stop(struct etcd_server *e);
void etcd_server_end(struct etcd_server *e);
/* etcdctl with these arguments: its output, malloc'ed. */
char *etcd_server_ctl(const struct etcd_server *e, char *const arguments[]);
#define ETCDCTL(e, ...) etcd_server_ctl(e, (char *[]){ __VA_ARGS__, NULL })
