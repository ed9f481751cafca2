/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An etcd cluster of the test's own, of one node or three, with TLS and users where
 * the test wants them; its data and certificates are in a directory that is removed
 * with it. Every function fails the test when it cannot do what it says.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "tests/support/scratch.h"

#define ETCD_NODES 3

struct etcd_nodes {
        /* set by the test before the begin */
        unsigned n;
        bool tls;           /* and a client needs a certificate of our CA */
        unsigned token_ttl; /* in seconds; 0: etcd's own, five minutes */
        unsigned quota;     /* of the database, in bytes; 0: etcd's own, 2 GiB */

        char directory[SCRATCH_MAX];
        char endpoints[256]; /* of all nodes, by blanks */
        char user[32];       /* of etcd_nodes_ctl(): "root:word"; "": none */
        struct {
                pid_t pid; /* 0: not running */
                char url[64], peer_url[64];
        } node[ETCD_NODES];
};

void etcd_nodes_begin(struct etcd_nodes *e);
void etcd_nodes_end(struct etcd_nodes *e);

void etcd_nodes_start(struct etcd_nodes *e, unsigned node);  /* does not wait */
void etcd_nodes_kill(struct etcd_nodes *e, unsigned node);
void etcd_nodes_signal(const struct etcd_nodes *e, unsigned node, int signal);
void etcd_nodes_wait(const struct etcd_nodes *e); /* until there is a quorum */
unsigned etcd_nodes_leader(const struct etcd_nodes *e);

/* etcdctl with these arguments: its output, malloc'ed; NULL when it failed. */
char *etcd_nodes_ctl(const struct etcd_nodes *e, char *const arguments[]);
#define NODES_CTL(e, ...) etcd_nodes_ctl(e, (char *[]){ __VA_ARGS__, NULL })

/* NAME.pem and NAME.key in the directory, by our CA; the subject as "/CN=name". */
void etcd_nodes_certify(const struct etcd_nodes *e, const char *name, const char *subject);
/* Another CA, and what is signed by it; a node takes it at its next start. */
void etcd_nodes_new_authority(const struct etcd_nodes *e);
/* "DIRECTORY/NAME", good until 32 others were asked for. */
const char *etcd_nodes_path(const struct etcd_nodes *e, const char *name);
