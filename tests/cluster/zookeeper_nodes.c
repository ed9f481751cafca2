/* SPDX-License-Identifier: MIT */
/* ZooKeeper as the coordinator of a cluster. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cluster/cluster.h"
#include "tests/cluster/zookeeper_history.h"
#include "tests/support/zookeeper_server.h"

#define CLIENT_PORT 2181u
#define PEER_PORT 2888u
#define ELECTION_PORT 3888u
#define REGION "/sfshm/region/0"

/* ---- the nodes */

/* A tick of 500 ms makes a session of 6 s possible, and six of them an end for whoever
 * does not answer. */
static void write_config(const struct cluster *c, const char *data, FILE *file) {
        fprintf(file, "tickTime=500\ninitLimit=20\nsyncLimit=6\ndataDir=%s\nclientPort=%u\n"
                      "admin.enableServer=false\n4lw.commands.whitelist=srvr\nforceSync=no\n"
                      "maxClientCnxns=0\n", data, CLIENT_PORT);
        for (unsigned i = 0; c->n_nodes > 1 && i < c->n_nodes; i++)
                fprintf(file, "server.%u=%s:%u:%u\n", i + 1, c->nodes[i].net.address, PEER_PORT,
                        ELECTION_PORT);
}

/* In the node's process, which ends where that fails. */
static FILE *create(const char *path) {
        FILE *file = fopen(path, "w");

        if (file == NULL)
                _exit(126);
        return file;
}

static void write_node(const struct cluster *c, unsigned node, const char *config) {
        char data[112], id[128];
        FILE *file;

        snprintf(data, sizeof(data), "%s/data", c->nodes[node].directory);
        (void)mkdir(data, 0700); /* it is there when the node starts again */
        snprintf(id, sizeof(id), "%s/myid", data);
        file = create(id);
        fprintf(file, "%u\n", node + 1);
        fclose(file);
        file = create(config);
        write_config(c, data, file);
        fclose(file);
}

/* As small as it will do. After a partition the nodes look for each other at least once
 * a second, and not up to a minute later. A node that was away is sent the transactions which
 * it lacks, also if they are many: after a snapshot its logs have a gap. */
static void run(const struct cluster *c, unsigned node) {
        char config[128];

        snprintf(config, sizeof(config), "%s/zoo.cfg", c->nodes[node].directory);
        write_node(c, node, config);
        execlp("java", "java", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
               "-XX:-UsePerfData", "-Xshare:auto", "-Djava.net.preferIPv4Stack=true",
               "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
               "-Dzookeeper.jmx.log4j.disable=true", "-Dzookeeper.cnxTimeout=1000",
               "-Dzookeeper.commitLogCount=10000",
               "-Dzookeeper.fastleader.maxNotificationInterval=1000", "-cp",
               "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar",
               "org.apache.zookeeper.server.quorum.QuorumPeerMain", config, NULL);
}

static const char *mode(const struct cluster *c, unsigned node) {
        return zookeeper_mode(c->nodes[node].net.address, CLIENT_PORT);
}

static bool serves(const struct cluster *c, unsigned node) {
        return mode(c, node)[0] != '\0';
}

static bool leads(const struct cluster *c, unsigned node) {
        const char *as = mode(c, node);

        return strcmp(as, "leader") == 0 || strcmp(as, "standalone") == 0;
}

static void set(struct private_daemon *daemon, const char *addresses) {
        private_daemon_set(daemon, "workers.backend=zookeeper");
        private_daemon_set(daemon, "zookeeper.hosts=%s", addresses);
        private_daemon_set(daemon, "zookeeper.ttl=6s");
}

/* ---- what they know */

static struct zookeeper_server servers_of(const struct cluster *c) {
        struct zookeeper_server z = { .n = 0 };
        size_t used = 0;

        for (unsigned i = 0; i < c->n_nodes; i++)
                if (c->nodes[i].pid != 0)
                        used += (size_t)snprintf(z.hosts + used, sizeof(z.hosts) - used, "%s%s:%u",
                                                 used > 0 ? "," : "", c->nodes[i].net.address,
                                                 CLIENT_PORT);
        return z;
}

/* Of the hosts' records: a session that begins or ends is no write. */
static int64_t writes(const struct cluster *c) {
        const struct zookeeper_server z = servers_of(c);

        return zookeeper_server_writes(&z, REGION "/host");
}

static int sessions(const struct cluster *c) {
        const struct zookeeper_server z = servers_of(c);
        char *text = zookeeper_server_list(&z, NULL, REGION "/alive");
        int n = 0;

        for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
                n++;
        free(text);
        return n;
}

static void check_history(const struct cluster *c) {
        const struct zookeeper_server z = servers_of(c);

        zookeeper_server_put(&z, ZOOKEEPER_MARK, "1");
        zookeeper_history_check(c);
}

const struct coordinator_kind coordinator_zookeeper = {
        .name = "zookeeper",
        .port = CLIENT_PORT,
        .run = run,
        .serves = serves,
        .leads = leads,
        .set = set,
        .writes = writes,
        .sessions = sessions,
        .write_mark = "\"fence_tick\"", /* in a record */
        .check_history = check_history,
};
