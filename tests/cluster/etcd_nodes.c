/* SPDX-License-Identifier: MIT */
/* etcd as the coordinator of a cluster. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cluster/cluster.h"
#include "tests/cluster/etcd_ctl.h"
#include "tests/cluster/etcd_history.h"

#define CLIENT_PORT 2379u
#define PEER_PORT 2380u

static void run(const struct cluster *c, unsigned node) {
        const char *address = c->nodes[node].net.address;
        char name[16], data[128], urls[128], peer[64], advertised[64], all[256];
        size_t used = 0;

        snprintf(name, sizeof(name), "node%u", node);
        snprintf(data, sizeof(data), "%s/data", c->nodes[node].directory);
        snprintf(advertised, sizeof(advertised), "http://%s:%u", address, CLIENT_PORT);
        snprintf(urls, sizeof(urls), "%s,http://127.0.0.1:%u", advertised, CLIENT_PORT);
        snprintf(peer, sizeof(peer), "http://%s:%u", address, PEER_PORT);
        for (unsigned i = 0; i < c->n_nodes; i++)
                used += (size_t)snprintf(all + used, sizeof(all) - used, "%snode%u=http://%s:%u",
                                         i > 0 ? "," : "", i, c->nodes[i].net.address, PEER_PORT);
        execlp("etcd", "etcd", "--name", name, "--data-dir", data, "--listen-client-urls", urls,
               "--advertise-client-urls", advertised, "--listen-peer-urls", peer,
               "--initial-advertise-peer-urls", peer, "--initial-cluster", all, NULL);
}

static void endpoint_of(const struct cluster *c, unsigned node, char ret[64]) {
        snprintf(ret, 64, "http://%s:%u", c->nodes[node].net.address, CLIENT_PORT);
}

static bool serves(const struct cluster *c, unsigned node) {
        char endpoint[64], *text;
        bool yes;

        endpoint_of(c, node, endpoint);
        text = ETCD_CTL(endpoint, "get", "none", "-w", "fields"); /* needs a quorum */
        yes = strstr(text, "\"Revision\"") != NULL;
        free(text);
        return yes;
}

static bool leads(const struct cluster *c, unsigned node) {
        char endpoint[64], *text;
        bool yes;

        endpoint_of(c, node, endpoint);
        text = ETCD_CTL(endpoint, "endpoint", "status");
        /* endpoint, ID, version, size, is it the leader, … */
        for (int i = 0; i < 4 && text != NULL && text[0] != '\0'; i++) {
                char *comma = strchr(text, ',');

                if (comma == NULL)
                        break;
                memmove(text, comma + 1, strlen(comma + 1) + 1);
        }
        yes = strncmp(text, " true", 5) == 0;
        free(text);
        return yes;
}

static void set(struct private_daemon *daemon, const char *addresses) {
        char urls[160] = "";

        for (const char *at = addresses; *at != '\0';) {
                size_t n = strcspn(at, ","), used = strlen(urls);

                snprintf(urls + used, sizeof(urls) - used, "%shttp://%.*s", used > 0 ? "," : "",
                         (int)n, at);
                at += n + (at[n] == ',');
        }
        private_daemon_set(daemon, "workers.backend=etcd");
        private_daemon_set(daemon, "etcd.endpoints=%s", urls);
        private_daemon_set(daemon, "etcd.ttl=6s");
}

/* Whichever node serves. */
static char *ask_any(const struct cluster *c, const char *prefix) {
        for (unsigned i = 0; i < c->n_nodes; i++) {
                char endpoint[64], *text;

                if (c->nodes[i].pid == 0)
                        continue;
                endpoint_of(c, i, endpoint);
                text = ETCD_CTL(endpoint, "get", "--prefix", (char *)prefix, "-w", "fields");
                if (text[0] != '\0')
                        return text;
                free(text);
        }
        return NULL;
}

static int64_t number_in(char *text, const char *name) {
        char *at = text != NULL ? strstr(text, name) : NULL;
        int64_t n = at != NULL ? strtoll(at + strlen(name), NULL, 10) : -1;

        free(text);
        return n;
}

static int64_t writes(const struct cluster *c) {
        return number_in(ask_any(c, "none"), "\"Revision\" :");
}

static int sessions(const struct cluster *c) {
        return (int)number_in(ask_any(c, "/sfshm/region/0/alive/"), "\"Count\" :");
}

static void check_history(const struct cluster *c) {
        char endpoint[64];
        unsigned node = 0;

        while (!serves(c, node)) /* cluster_end() finds one that does, or fails */
                cr_assert_lt(++node, c->n_nodes, "no node serves to tell its history");
        endpoint_of(c, node, endpoint);
        etcd_history_check(endpoint);
}

const struct coordinator_kind coordinator_etcd = {
        .name = "etcd",
        .port = CLIENT_PORT,
        .run = run,
        .serves = serves,
        .leads = leads,
        .set = set,
        .writes = writes,
        .sessions = sessions,
        .write_mark = "/v3/kv/txn",
        .check_history = check_history,
};
