/* SPDX-License-Identifier: MIT */
/*
 * ZooKeeper's transaction logs, version-2/log.ZXID: a head of 16 bytes, then for each
 * transaction a checksum (8 bytes), its size (4), itself, and 'B'. What follows the last
 * one is zero. Numbers are big-endian. (ZooKeeper's own TxnLogToolkit prints what is in a
 * multi without its bounds.)
 */
#include "tests/cluster/zookeeper_history.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cluster/history.h"

/* org.apache.zookeeper.ZooDefs.OpCode */
enum { CREATE = 1, DELETE = 2, SET_DATA = 5, CHECK = 13, MULTI = 14, ERROR = -1,
       CREATE_SESSION = -10, CLOSE_SESSION = -11 };

struct transaction {
        int64_t zxid;
        unsigned node;
        unsigned char *bytes;
        size_t size;
};

/* Of all nodes. */
struct logs {
        struct transaction *all;
        size_t n;
};

struct walk {
        struct history *history;
        int64_t zxid; /* the last one */
        bool at_mark;
        bool gap; /* most nodes have a snapshot instead: no more can be looked at */
};

struct bytes {
        const unsigned char *at, *end;
};

static uint64_t take_number(struct bytes *b, size_t size) {
        uint64_t n = 0;

        cr_assert_leq(size, (size_t)(b->end - b->at), "a transaction in a log is too short");
        while (size-- > 0)
                n = n << 8 | *b->at++;
        return n;
}

static int32_t take_int(struct bytes *b) {
        return (int32_t)(uint32_t)take_number(b, 4);
}

static struct bytes take_bytes(struct bytes *b) {
        int32_t size = take_int(b);
        struct bytes of = { b->at, b->at };

        cr_assert_leq(size, b->end - b->at, "a transaction in a log is too short");
        b->at = of.end += size > 0 ? size : 0; /* -1: null */
        return of;
}

static char *take_text(struct bytes *b) {
        const struct bytes of = take_bytes(b);

        return strndup((const char *)of.at, (size_t)(of.end - of.at));
}

/* Daemons create a node empty and write it in the same transaction (zookeeper/commit.c). */
static void take_write(struct walk *w, int32_t type, struct bytes *b) {
        char *path = take_text(b), *value = type != DELETE ? take_text(b) : NULL;

        if (strcmp(path, ZOOKEEPER_MARK) == 0)
                w->at_mark = true;
        else if (value == NULL || value[0] != '\0')
                history_take(w->history, w->zxid, path, value);
        free(path);
        free(value);
}

/* It was done in whole or, with an error in it, not at all. */
static bool was_done(struct bytes multi) {
        for (int32_t n = take_int(&multi); n > 0; n--) {
                if (take_int(&multi) == ERROR)
                        return false;
                take_bytes(&multi);
        }
        return true;
}

static void take_operation(struct walk *w, int32_t type, struct bytes *b) {
        switch (type) {
        case CREATE:
        case DELETE:
        case SET_DATA:
                take_write(w, type, b);
                break;
        case MULTI:
                for (int32_t n = was_done(*b) ? take_int(b) : 0; n > 0; n--) {
                        int32_t of = take_int(b);
                        struct bytes one = take_bytes(b);

                        take_operation(w, of, &one);
                }
                break;
        default: /* the nodes of a session are no records */
                cr_assert(type == CHECK || type == ERROR || type == CREATE_SESSION ||
                          type == CLOSE_SESSION, "an unknown type %" PRId32 " in a log", type);
        }
}

/* ---- reading */

static void add(struct logs *logs, unsigned node, unsigned char *bytes, size_t size) {
        struct bytes b = { bytes + 12, bytes + size }; /* after session and request */

        logs->all = realloc(logs->all, (logs->n + 1) * sizeof(*logs->all));
        logs->all[logs->n++] =
                (struct transaction){ (int64_t)take_number(&b, 8), node, bytes, size };
}

/* A node that was killed may leave the head or the last one unfinished. */
static void read_log(struct logs *logs, unsigned node, FILE *log) {
        unsigned char head[16];

        cr_assert(fread(head, 1, 16, log) < 16 || memcmp(head, "ZKLG\0\0\0\2", 8) == 0,
                  "a log of another version");
        while (fread(head, 1, 12, log) == 12) {
                struct bytes b = { head + 8, head + 12 };
                size_t size = take_number(&b, 4);
                unsigned char *bytes = malloc(size + 1);

                if (size == 0 || fread(bytes, 1, size + 1, log) < size + 1 || bytes[size] != 'B') {
                        free(bytes);
                        break;
                }
                add(logs, node, bytes, size);
        }
}

static void read_node(struct logs *logs, unsigned node, const char *directory) {
        char pattern[160];
        glob_t paths;

        snprintf(pattern, sizeof(pattern), "%s/data/version-2/log.*", directory);
        if (glob(pattern, 0, NULL, &paths) != 0)
                return;
        for (size_t i = 0; i < paths.gl_pathc; i++) {
                FILE *log = fopen(paths.gl_pathv[i], "r");

                cr_assert_not_null(log, "%s cannot be read", paths.gl_pathv[i]);
                read_log(logs, node, log);
                fclose(log);
        }
        globfree(&paths);
}

/* ---- looking */

static int compare(const void *x, const void *y) {
        const struct transaction *a = x, *b = y;

        return a->zxid != b->zxid ? (a->zxid > b->zxid) - (a->zxid < b->zxid) :
                                    (a->node > b->node) - (a->node < b->node);
}

/* The upper half of a zxid is that of its leader, which counts from 1. */
static void take_transaction(struct walk *w, const struct transaction *t) {
        struct bytes b = { t->bytes + 28, t->bytes + t->size }; /* after the time */

        if (t->zxid != w->zxid + 1 && (t->zxid & UINT32_MAX) != 1) {
                fprintf(stderr, "between %#" PRIx64 " and %#" PRIx64 " a transaction is not in "
                        "most logs: no history from there on\n", (uint64_t)w->zxid,
                        (uint64_t)t->zxid);
                w->gap = true;
                return;
        }
        w->zxid = t->zxid;
        take_operation(w, take_int(&b), &b);
}

/* What most nodes have. One may have the same one twice, if it was away. */
static void take_committed(struct walk *w, const struct logs *logs, unsigned n_nodes) {
        for (size_t i = 0, next; i < logs->n && !w->at_mark && !w->gap; i = next) {
                const struct transaction *t = &logs->all[i];
                unsigned n = 1;

                for (next = i + 1; next < logs->n && logs->all[next].zxid == t->zxid; next++)
                        n += logs->all[next].node != logs->all[next - 1].node;
                if (n > n_nodes / 2)
                        take_transaction(w, t);
        }
}

void zookeeper_history_check(const struct cluster *c) {
        struct walk w = { .history = history_new() };
        struct logs logs = { .n = 0 };

        for (unsigned i = 0; i < c->n_nodes; i++)
                read_node(&logs, i, c->nodes[i].directory);
        qsort(logs.all, logs.n, sizeof(*logs.all), compare);
        take_committed(&w, &logs, c->n_nodes);
        cr_assert(w.at_mark || w.gap, "the mark is not in the logs of most nodes");
        history_end(w.history, "ZooKeeper");
        while (logs.n > 0)
                free(logs.all[--logs.n].bytes);
        free(logs.all);
}
