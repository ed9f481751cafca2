/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/coordinator.h"
#include "tests/support/etcd_nodes.h"

#define PREFIX "/sfshm/"

static struct etcd_nodes etcd;

static void begin(void) {
        etcd = (struct etcd_nodes){ .n = 1 };
        etcd_nodes_begin(&etcd);
}

static void start(void) {
        etcd_nodes_start(&etcd, 0);
        etcd_nodes_wait(&etcd);
}

static void stop(void) {
        etcd_nodes_kill(&etcd, 0);
}

static void signal_it(int number) {
        etcd_nodes_signal(&etcd, 0, number);
}

static void end(void) {
        etcd_nodes_end(&etcd);
}

static const char *url(void) {
        return etcd.endpoints;
}

static void setting_at(const char *at, char text[192]) {
        snprintf(text, 192, "etcd.endpoints=%s", at);
}

static void configure(struct private_daemon *d) {
        private_daemon_unset_first(d);
        private_daemon_set(d, "workers.backend=etcd");
        private_daemon_set(d, "etcd.endpoints=%s", etcd.endpoints);
        private_daemon_set(d, "etcd.ttl=6s");
}

static char *ctl(char *const arguments[]) {
        char *text = etcd_nodes_ctl(&etcd, arguments);

        cr_assert_not_null(text, "etcdctl %s %s", arguments[0], arguments[1]);
        return text;
}
#define CTL(...) ctl((char *[]){ __VA_ARGS__, NULL })

static const char *full(const char *key, char path[256]) {
        snprintf(path, 256, PREFIX "%s", key);
        return path;
}

static char *list(const char *prefix) {
        char path[256], *lines = CTL("get", "--prefix", (char *)full(prefix, path));
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

static int64_t writes(const char *prefix) {
        char path[256], *text = CTL("get", "--prefix", (char *)full(prefix, path), "-w", "json");
        int64_t n = strstr(text, "\"version\":") != NULL ? 0 : -1;

        for (const char *at = text; (at = strstr(at, "\"version\":")) != NULL; at++)
                n += strtoll(at + strlen("\"version\":"), NULL, 10);
        free(text);
        return n;
}

static void put(const char *key, const char *value) {
        char path[256];

        free(CTL("put", (char *)full(key, path), "--", (char *)value));
}

static void remove_keys(const char *prefix) {
        char path[256];

        free(CTL("del", "--prefix", (char *)full(prefix, path)));
}

const struct test_coordinator test_etcd = {
        .name = "etcd",
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
        .remove = remove_keys,
};
