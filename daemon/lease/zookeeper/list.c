/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/keys/coordinator.h"
#include "daemon/lease/zookeeper/request.h"
#include "daemon/lease/zookeeper/session.h"
#include "daemon/util/time.h"

#define TRIES 4
#define DEPTH_MAX 8 /* of folders; keys have four parts at most */
/* Requests under way at once. The library wakes its thread through a pipe, and closes
 * the connection when that is full. */
#define WINDOW 256u

struct walk {
        struct zookeeper_coordinator *zookeeper;
        int64_t deadline_ns;
        struct coordinator_item *items;
        size_t n, room;
        bool folders; /* there are some in the one that is listed, empty ones as well */
        struct seen {
                char *path;
                int64_t changed;
        } *seen; /* those of them with keys that stay: their pzxid */
        size_t n_seen;
};

/* The names in a folder, and what each says; `nodes` as far as they were asked for. */
struct folder {
        struct zookeeper_request *children;
        struct zookeeper_request **nodes;
        int64_t changed; /* its pzxid: the last coming or going of a child */
        bool missing;
};

/* 0: there is an answer, which may be that there is no such node. */
static int wait_for_answer(struct walk *w, struct zookeeper_request *request, const char *path) {
        int r = zookeeper_request_wait(request, w->deadline_ns);

        return r < 0                      ? r
               : request->code == ZNONODE ? 0
                                          : zookeeper_handle_refused(w->zookeeper->session,
                                                                     request->code, path);
}

/* ---- one folder */

static void folder_close(struct folder *f) {
        for (size_t i = 0; f->nodes != NULL && i < f->children->n_names; i++)
                zookeeper_request_free(f->nodes[i]);
        free(f->nodes);
        zookeeper_request_free(f->children);
}

static int compare_names_down(const void *a, const void *b) {
        return strcmp(*(char *const *)b, *(char *const *)a);
}

/* Of the names those that begin with `filter`. */
static void choose_names(struct zookeeper_request *children, const char *filter) {
        size_t n = 0;

        for (size_t i = 0; i < children->n_names; i++) {
                char *name = children->names[i];

                if (strncmp(name, filter, strlen(filter)) == 0)
                        children->names[n++] = name;
                else
                        free(name);
        }
        children->n_names = n;
        if (n > 0)
                qsort(children->names, n, sizeof(*children->names), compare_names_down);
}

/* With `sync` the list shows everything that was done before. The folder itself is read
 * before its names, so that a child which comes or goes in between shows as a change. */
static int read_names(struct walk *w, struct folder *f, const char *path, const char *filter,
                      bool sync) {
        struct zookeeper_session *s = w->zookeeper->session;
        struct zookeeper_request *synced =
                sync ? zookeeper_request_read(s, ZOOKEEPER_SYNC, path) : NULL;
        struct zookeeper_request *itself = zookeeper_request_read(s, ZOOKEEPER_GET, path);
        int r;

        f->children = zookeeper_request_read(s, ZOOKEEPER_CHILDREN, path);
        r = sync ? wait_for_answer(w, synced, path) : 0;
        if (r == 0)
                r = wait_for_answer(w, itself, path);
        if (r == 0)
                r = wait_for_answer(w, f->children, path);
        if (r == 0) {
                f->missing = itself->code == ZNONODE || f->children->code == ZNONODE;
                f->changed = itself->stat.pzxid;
                choose_names(f->children, filter);
        }
        zookeeper_request_free(synced);
        zookeeper_request_free(itself);
        return r;
}

static int send_nodes(struct walk *w, struct folder *f, const char *path, size_t from, size_t to) {
        for (size_t i = from; i < to; i++) {
                char *node = zookeeper_path(path, f->children->names[i]);

                if (node == NULL)
                        return -ENOMEM;
                f->nodes[i] = zookeeper_request_read(w->zookeeper->session, ZOOKEEPER_GET, node);
                free(node);
        }
        return 0;
}

static int read_nodes(struct walk *w, struct folder *f, const char *path) {
        size_t n = f->children->n_names;
        int r = 0;

        f->nodes = calloc(n + 1, sizeof(*f->nodes));
        if (f->nodes == NULL)
                return -ENOMEM;
        for (size_t from = 0; r == 0 && from < n; from += WINDOW) {
                size_t to = n - from < WINDOW ? n : from + WINDOW;

                /* a long list takes longer than one answer may */
                w->deadline_ns = zookeeper_handle_deadline_ns(w->zookeeper);
                r = send_nodes(w, f, path, from, to);
                for (size_t i = from; r == 0 && i < to; i++)
                        r = wait_for_answer(w, f->nodes[i], path);
        }
        return r;
}

/* ---- the keys in it and below */

static int add_item(struct walk *w, const char *key, struct zookeeper_request *node) {
        struct coordinator_item *items = w->items;

        if (w->n == w->room) {
                size_t room = w->room * 2 + 16;

                items = reallocarray(items, room, sizeof(*items));
                if (items == NULL)
                        return -ENOMEM;
                w->items = items;
                w->room = room;
        }
        items[w->n].key = strdup(key);
        if (items[w->n].key == NULL)
                return -ENOMEM;
        items[w->n].value = node->value;
        items[w->n++].modified = zookeeper_modified(&node->stat);
        node->value = NULL;
        return 0;
}

static int collect_folder(struct walk *w, const char *folder, unsigned depth);

/* `key` is the folder's, "" at the top. */
static int collect_below(struct walk *w, const struct folder *f, const char *folder,
                         unsigned depth) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < f->children->n_names; i++) {
                char *key;

                if (f->nodes[i]->code == ZNONODE || f->nodes[i]->stat.numChildren == 0 ||
                    depth == DEPTH_MAX)
                        continue;
                key = zookeeper_path(folder, f->children->names[i]);
                r = key == NULL ? -ENOMEM : collect_folder(w, key, depth + 1);
                free(key);
        }
        return r;
}

/* Those directly in it. */
static int collect_keys(struct walk *w, const struct folder *f, const char *folder) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < f->children->n_names; i++) {
                struct zookeeper_request *node = f->nodes[i];
                char *key;

                if (node->code == ZNONODE)
                        continue;
                w->folders |= node->stat.numChildren > 0;
                if (zookeeper_is_folder(node->value, &node->stat)) {
                        w->folders = true;
                        continue;
                }
                key = zookeeper_path(folder, f->children->names[i]);
                r = key == NULL ? -ENOMEM : add_item(w, key, node);
                free(key);
        }
        return r;
}

/* Keys of sessions come and go by themselves, and nothing depends on which there are. */
static int remember_folder(struct walk *w, const struct folder *f, const char *path) {
        struct seen *seen;

        for (size_t i = 0; i < f->children->n_names; i++)
                if (f->nodes[i]->code == ZOK && f->nodes[i]->stat.ephemeralOwner != 0)
                        return 0;
        seen = reallocarray(w->seen, w->n_seen + 1, sizeof(*seen));
        if (seen == NULL)
                return -ENOMEM;
        w->seen = seen;
        seen[w->n_seen] = (struct seen){ strdup(path), f->changed };
        return seen[w->n_seen].path == NULL ? -ENOMEM : (w->n_seen++, 0);
}

static int collect_folder(struct walk *w, const char *folder, unsigned depth) {
        struct folder f = { .changed = 0 };
        char *path = zookeeper_path(w->zookeeper->prefix, folder);
        int r = path == NULL ? -ENOMEM : read_names(w, &f, path, "", false);

        if (r == 0)
                r = read_nodes(w, &f, path);
        if (r == 0)
                r = remember_folder(w, &f, path);
        if (r == 0)
                r = collect_keys(w, &f, folder);
        if (r == 0)
                r = collect_below(w, &f, folder, depth);
        folder_close(&f);
        free(path);
        return r;
}

/* ---- the folder that is listed */

/* -EAGAIN: there is none. */
static int read_stat(struct walk *w, const char *path, struct Stat *ret) {
        struct zookeeper_request *request =
                zookeeper_request_read(w->zookeeper->session, ZOOKEEPER_GET, path);
        int r = wait_for_answer(w, request, path);

        if (r == 0 && request->code == ZNONODE)
                r = -EAGAIN;
        if (r == 0)
                *ret = request->stat;
        zookeeper_request_free(request);
        return r;
}

/* In none of the folders below has a permanent key come or gone. */
static int check_seen(struct walk *w) {
        struct Stat stat;
        int r = 0;

        for (size_t i = 0; r == 0 && i < w->n_seen; i++) {
                r = read_stat(w, w->seen[i].path, &stat);
                if (r == 0 && stat.pzxid != w->seen[i].changed)
                        r = -EAGAIN;
        }
        return r;
}

/* Are the `n` keys directly in it unchanged, and has no child come or gone? */
static int check_same(struct walk *w, const struct folder *before, const char *path,
                      size_t n) {
        struct folder now = { .changed = 0 };
        int r = read_names(w, &now, path, "", false);

        if (r == 0 && now.changed != before->changed)
                r = -EAGAIN;
        for (size_t i = 0; r == 0 && i < n; i++) {
                char *node = zookeeper_path(w->zookeeper->prefix, w->items[i].key);
                struct Stat stat;

                r = node == NULL ? -ENOMEM : read_stat(w, node, &stat);
                if (r == 0 && zookeeper_modified(&stat) != w->items[i].modified)
                        r = -EAGAIN;
                free(node);
        }
        folder_close(&now);
        return r;
}

/* `folder` and the beginning of the names in it are the prefix of the keys. */
static int collect_all(struct walk *w, const char *folder, const char *filter) {
        struct folder f = { .changed = 0 };
        char *path = zookeeper_path(w->zookeeper->prefix, folder);
        size_t n_direct = 0;
        int r = path == NULL ? -ENOMEM : read_names(w, &f, path, filter, true);

        if (r == 0)
                r = read_nodes(w, &f, path);
        if (r == 0)
                r = collect_keys(w, &f, folder);
        n_direct = w->n;
        if (r == 0)
                r = collect_below(w, &f, folder, 1);
        if (r == 0 && w->folders)
                r = check_same(w, &f, path, n_direct);
        if (r == 0)
                r = check_seen(w);
        folder_close(&f);
        free(path);
        return r;
}

static void clear_walk(struct walk *w) {
        struct coordinator_list list = { w->items, w->n };

        coordinator_list_clear(&list);
        while (w->n_seen > 0)
                free(w->seen[--w->n_seen].path);
        free(w->seen);
        *w = (struct walk){ .zookeeper = w->zookeeper, .deadline_ns = w->deadline_ns };
}

static int compare_items(const void *a, const void *b) {
        return strcmp(((const struct coordinator_item *)a)->key,
                      ((const struct coordinator_item *)b)->key);
}

int zookeeper_list(void *coordinator, const char *prefix, struct coordinator_list *ret) {
        struct walk w = { .zookeeper = coordinator };
        const char *slash = strrchr(prefix, '/');
        char *folder = strndup(prefix, slash != NULL ? (size_t)(slash - prefix) : 0);
        int r = folder == NULL ? -ENOMEM : -EAGAIN;

        w.deadline_ns = zookeeper_handle_deadline_ns(w.zookeeper);
        for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
                clear_walk(&w);
                r = zookeeper_session_ready(w.zookeeper->session, w.deadline_ns);
                if (r == 0)
                        r = collect_all(&w, folder, slash != NULL ? slash + 1 : prefix);
                if (r == -ESTALE)
                        r = -EAGAIN; /* with another session */
        }
        free(folder);
        if (r == 0) {
                if (w.n > 0)
                        qsort(w.items, w.n, sizeof(*w.items), compare_items);
                *ret = (struct coordinator_list){ w.items, w.n };
                w.items = NULL;
                w.n = 0;
        }
        clear_walk(&w);
        return r;
}
