/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Hosts with a daemon and clients of their own, and a coordinator of one or three
 * nodes, all in network namespaces of their own. Clients take IDs all the time and keep
 * every one; cluster_end() compares them all. Functions fail the test when they cannot
 * do what they say; what ends with the test is bound to it.
 */
#include "tests/cluster/net.h"
#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"
#include "tests/support/scratch.h"

#define CLUSTER_HOSTS 4u
#define CLUSTER_NODES 3u
#define HOST_CLIENTS 2u
#define CLUSTER_LIMIT_MS 90000 /* for whatever is waited for */
#define FIRST_PROXY_PORT 2400u

struct cluster;

struct cluster_node {
        struct net_host net;
        pid_t pid; /* 0: not running */
        char directory[96];
};

struct cluster_host {
        struct private_daemon daemon;
        struct net_host net;
        struct cluster *cluster;
        unsigned number;
        pid_t clients[HOST_CLIENTS]; /* 0: not running */
};

/* What differs between coordinators. One of these, and every scenario is its. */
struct coordinator_kind {
        const char *name;
        uint16_t port;
        /* In the node's process and namespace. */
        void (*run)(const struct cluster *c, unsigned node);
        bool (*serves)(const struct cluster *c, unsigned node);
        bool (*leads)(const struct cluster *c, unsigned node);
        /* For the daemon: where it is, as "address:port" separated by commas. */
        void (*set)(struct private_daemon *daemon, const char *addresses);
        /* A number which grows with every write; -1: it does not tell. */
        int64_t (*writes)(const struct cluster *c);
        /* How many hosts have a session; -1: it does not tell. */
        int (*sessions)(const struct cluster *c);
        /* In a request that would write. */
        const char *write_mark;
        /* Everything that was ever written: no worker had two owners, no fence fell. */
        void (*check_history)(const struct cluster *c);
};
extern const struct coordinator_kind coordinator_etcd;
extern const struct coordinator_kind coordinator_zookeeper; /* where it was built */
/* $SFSHM_COORDINATOR names the one under test; the first one without. */

struct cluster {
        const struct coordinator_kind *kind;
        char directory[SCRATCH_MAX];
        unsigned n_nodes, n_hosts;
        struct cluster_node nodes[CLUSTER_NODES];
        struct cluster_host hosts[CLUSTER_HOSTS];
        struct arena *arena; /* a part for each client */
        struct client_report *reports;
};

/* With that many nodes, which serve, and that many hosts, not yet started. */
void cluster_begin(struct cluster *c, unsigned n_nodes, unsigned n_hosts);
/* For every host; before it is started. */
void cluster_set(struct cluster *c, const char *setting);
/* Looks at everything that happened, then takes all of it away. */
void cluster_end(struct cluster *c);

/* wait_until(), looking less often. */
bool cluster_wait(bool (*condition)(void *context), void *context);

void node_start(struct cluster *c, unsigned node); /* does not wait */
void node_stop(struct cluster *c, unsigned node);  /* SIGKILL */
void node_signal(struct cluster *c, unsigned node, int signal);
void cluster_wait_served(struct cluster *c);       /* by every node that runs */
unsigned cluster_leader(struct cluster *c);

void host_start(struct cluster_host *h);   /* the daemon, and its clients */
/* For as long as there are no worker IDs for it. */
void host_start_when_possible(struct cluster_host *h);
void host_start_clients(struct cluster_host *h);
void host_signal_clients(struct cluster_host *h, int signal);
/* From the nodes, all of them: which way is lost. */
enum net_loss { NET_REQUESTS = 1, NET_ANSWERS = 2, NET_BOTH = 3 };
void host_cut_off(const struct cluster_host *h, enum net_loss loss);
void host_join(const struct cluster_host *h);

/* How often the daemon's log says it. */
unsigned host_told(const struct cluster_host *h, const char *what);
void host_expect_told(const struct cluster_host *h, const char *what, unsigned times);
/* Another one has its worker IDs: its daemon says so, and ends. */
void host_expect_lost(struct cluster_host *h);
/* Each of its clients gets IDs, now. */
void host_expect_ids(struct cluster_host *h);
/* Its clients get none, and this error. */
void host_expect_error(struct cluster_host *h, int error);
/* Calls of its clients that failed so far. */
unsigned host_errors(const struct cluster_host *h);
/* The first one which its daemon said at its last start. */
unsigned host_worker(const struct cluster_host *h);
void cluster_expect_sessions(struct cluster *c, int n);
/* Each host renews, now. */
void cluster_expect_renewals(struct cluster *c);
/* Knows only these: "address:port,…". Before it is started. */
void host_connect_to(struct cluster_host *h, const char *addresses);
/* Of the clients: any. */
void host_expect_errors(struct cluster_host *h);
