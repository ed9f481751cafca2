/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A ZooKeeper of the test's own, one node or an ensemble, with its data in a directory
 * that is removed with it. Every function fails the test when it cannot do what it
 * says. Sessions last 1 s to 10 s.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/support/scratch.h"

#define ZOOKEEPER_NODES_MAX 5u
#define ZOOKEEPER_HEAP "ZOOKEEPER_HEAP" /* in the environment: -Xmx of more than 96 MiB */

struct zookeeper_node_process {
        pid_t pid; /* 0: not running */
        unsigned client_port, peer_port, election_port;
};

struct zookeeper_server {
        char directory[SCRATCH_MAX];
        char hosts[160]; /* for zookeeper.hosts */
        unsigned n;
        struct zookeeper_node_process nodes[ZOOKEEPER_NODES_MAX];
};

/* Free ports, a fresh directory; starts `n` nodes and waits until they serve. */
void zookeeper_server_begin(struct zookeeper_server *z, unsigned n);
void zookeeper_server_start(struct zookeeper_server *z); /* those not running, with their data */
void zookeeper_server_stop(struct zookeeper_server *z);
void zookeeper_server_end(struct zookeeper_server *z);

/* One node: starts it and waits for nothing; kills it; sends it a signal. */
void zookeeper_server_start_node(struct zookeeper_server *z, unsigned node);
void zookeeper_server_stop_node(struct zookeeper_server *z, unsigned node);
void zookeeper_server_signal_node(const struct zookeeper_server *z, unsigned node, int signal);
/* "leader", "follower", "standalone"; "" for one that does not serve. */
const char *zookeeper_server_mode(const struct zookeeper_server *z, unsigned node);
/* The same of any other one, whose clients connect there. */
const char *zookeeper_mode(const char *address, unsigned port);
/* Waits for one. */
unsigned zookeeper_server_leader(const struct zookeeper_server *z);

/* As a person would with zkCli; `user` "NAME:PASSWORD" or NULL. They want no more of `z`
 * than `hosts`. */
/* "PATH VALUE\n" of each node at and below it that is no folder, malloc'ed. */
char *zookeeper_server_list(const struct zookeeper_server *z, const char *user, const char *path);
/* How often the nodes directly below it were written, as they are now; -1: no answer. */
int64_t zookeeper_server_writes(const struct zookeeper_server *z, const char *path);
void zookeeper_server_put(const struct zookeeper_server *z, const char *path, const char *value);
void zookeeper_server_delete(const struct zookeeper_server *z, const char *path); /* all below */
/* What a read of it is answered: ZOK, ZNOAUTH ... */
int zookeeper_server_access(const struct zookeeper_server *z, const char *user, const char *path);
/* All nodes there belong to both users from now on; `user` may do that. `other` may be NULL. */
void zookeeper_server_give(const struct zookeeper_server *z, const char *user, const char *other,
                           const char *path);
