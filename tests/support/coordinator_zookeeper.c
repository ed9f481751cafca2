/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/coordinator.h"
#include "tests/support/zookeeper_server.h"

#define PREFIX "/sfshm"

static struct zookeeper_server zookeeper;

static void begin(void) {
        zookeeper_server_begin(&zookeeper, 1);
}

static void start(void) {
        zookeeper_server_start(&zookeeper);
}

static void stop(void) {
        zookeeper_server_stop(&zookeeper);
}

static void signal_it(int number) {
        zookeeper_server_signal_node(&zookeeper, 0, number);
}

static void end(void) {
        zookeeper_server_end(&zookeeper);
}

static const char *url(void) {
        static char text[192];

        snprintf(text, sizeof(text), "http://%s", zookeeper.hosts);
        return text;
}

static void setting_at(const char *at, char text[192]) {
        snprintf(text, 192, "zookeeper.hosts=%s", at + strlen("http://"));
}

static void configure(struct private_daemon *d) {
        private_daemon_unset_first(d);
        private_daemon_set(d, "workers.backend=zookeeper");
        private_daemon_set(d, "zookeeper.hosts=%s", zookeeper.hosts);
        private_daemon_set(d, "zookeeper.ttl=6s");
}

/* A node's path is the key behind the prefix; "region/0/host/" stands for the folder. */
static const char *full(const char *key, char path[256]) {
        snprintf(path, 256, PREFIX "%s%s", *key ? "/" : "", key);
        if (path[strlen(path) - 1] == '/')
                path[strlen(path) - 1] = '\0';
        return path;
}

static char *list(const char *prefix) {
        char path[256], *lines = zookeeper_server_list(&zookeeper, NULL, full(prefix, path));
        char *text = NULL, *rest = lines, *line;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        while ((line = strsep(&rest, "\n")) != NULL)
                if (strlen(line) > strlen(PREFIX "/"))
                        fprintf(stream, "%s\n", line + strlen(PREFIX "/"));
        fclose(stream);
        free(lines);
        return text;
}

static int64_t writes(const char *prefix) {
        char path[256];

        return zookeeper_server_writes(&zookeeper, full(prefix, path));
}

static void put(const char *key, const char *value) {
        char path[256];

        zookeeper_server_put(&zookeeper, full(key, path), value);
}

static void remove_nodes(const char *prefix) {
        char path[256];

        zookeeper_server_delete(&zookeeper, full(prefix, path));
}

const struct test_coordinator test_zookeeper = {
        .name = "zookeeper",
        .begin = begin,
        .start = start,
        .stop = stop,
        .signal = signal_it,
        .end = end,
        .configure = configure,
        .url = url,
        .setting_at = setting_at,
        .list = list,
        .writes = writes,
        .put = put,
        .remove = remove_nodes,
};
