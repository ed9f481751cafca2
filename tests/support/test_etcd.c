/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/etcd_server.h"
#include "tests/support/test_coordinator.h"

#define PREFIX "/sfshm/"

static struct etcd_server etcd;

static void begin(void) {
        etcd_server_begin(&etcd);
}

static void start(void) {
        etcd_server_start(&etcd);
}

static void stop(void) {
        etcd_server_stop(&etcd);
}

static void end(void) {
        etcd_server_end(&etcd);
}

static void configure(struct private_daemon *d) {
        private_daemon_set(d, "workers.backend=etcd");
        private_daemon_set(d, "etcd.endpoints=%s", etcd.url);
        private_daemon_set(d, "etcd.ttl=6s");
}

static const char *full(const char *key, char path[256]) {
        snprintf(path, 256, PREFIX "%s", key);
        return path;
}

static char *list(const char *prefix) {
        char path[256], *lines = ETCDCTL(&etcd, "get", "--prefix", (char *)full(prefix, path));
        char *text = NULL, *rest = lines, *key, *value;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        /* keys and values in turn, a line each */
        while ((key = strsep(&rest, "\n")) != NULL && (value = strsep(&rest, "\n")) != NULL)
                fprintf(stream, "%s %s\n", key + strlen(PREFIX), value);
        fclose(stream);
        free(lines);
        return text;
}

static void put(const char *key, const char *value) {
        char path[256];

        free(ETCDCTL(&etcd, "put", (char *)full(key, path), (char *)value));
}

static void remove_keys(const char *prefix) {
        char path[256];

        free(ETCDCTL(&etcd, "del", "--prefix", (char *)full(prefix, path)));
}

const struct test_coordinator test_etcd = {
        .name = "etcd",
        .begin = begin,
        .start = start,
        .stop = stop,
        .end = end,
        .configure = configure,
        .list = list,
        .put = put,
        .remove = remove_keys,
};
