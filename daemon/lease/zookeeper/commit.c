/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/keys/coordinator.h"
#include "daemon/lease/zookeeper/request.h"
#include "daemon/lease/zookeeper/session.h"

#define TRIES 4
#define ANY_VERSION (-1)
#define OPERATIONS_MAX (3 * 2 * COORDINATOR_COMMIT_MAX) /* delete, create, set */

struct operation {
        const char *path;
        struct coordinator_write *write; /* of which it is the last operation; NULL: none */
        bool checked;                    /* it fails by a check */
};

/* A commit as operations of a multi. */
struct plan {
        struct zookeeper_coordinator *zookeeper;
        int64_t deadline_ns;
        zoo_op_t zoo[OPERATIONS_MAX];
        struct operation operations[OPERATIONS_MAX];
        size_t n;
        char *paths[2 * COORDINATOR_COMMIT_MAX];
        size_t n_paths;
        bool folders_denied;
};

static const char *plan_path(struct plan *p, const char *key) {
        char *path = zookeeper_path(p->zookeeper->prefix, key);

        if (path != NULL)
                p->paths[p->n_paths++] = path;
        return path;
}

static zoo_op_t *plan_add(struct plan *p, const char *path, struct coordinator_write *write,
                          bool checked) {
        p->operations[p->n] = (struct operation){ path, write, checked };
        return &p->zoo[p->n++];
}

static void plan_clear(struct plan *p) {
        while (p->n_paths > 0)
                free(p->paths[--p->n_paths]);
        p->n = 0;
}

/* ---- from a commit to operations */

/* Written right after its creation, see calls.h; the answer then has the mzxid. The value
 * is sent once only, and nobody sees the node without it. */
static void plan_create(struct plan *p, const char *path, struct coordinator_write *write,
                        bool checked) {
        zoo_create_op_init(plan_add(p, path, NULL, checked), path, "", 0,
                           zookeeper_handle_acl(p->zookeeper->session),
                           write->session ? ZOO_EPHEMERAL : ZOO_PERSISTENT, NULL, 0);
        zoo_set_op_init(plan_add(p, path, write, checked), path, write->value,
                        (int)strlen(write->value), ANY_VERSION, NULL);
}

/* ZooKeeper has no check for absence; nobody sees the node. */
static void plan_absent(struct plan *p, const char *path) {
        zoo_create_op_init(plan_add(p, path, NULL, true), path, "", 0,
                           zookeeper_handle_acl(p->zookeeper->session), ZOO_PERSISTENT, NULL, 0);
        zoo_delete_op_init(plan_add(p, path, NULL, true), path, ANY_VERSION);
}

/* An ephemeral node belongs to its creator: a key of the session is created again. */
static void plan_change(struct plan *p, const char *path, struct coordinator_write *write,
                        int version, bool checked) {
        if (write->value != NULL && !write->session) {
                zoo_set_op_init(plan_add(p, path, write, checked), path, write->value,
                                (int)strlen(write->value), version, NULL);
                return;
        }
        zoo_delete_op_init(plan_add(p, path, NULL, checked), path, version);
        if (write->value != NULL)
                plan_create(p, path, write, checked);
}

static const struct coordinator_check *find_check(const struct coordinator_commit *commit,
                                                  const char *key) {
        for (size_t i = 0; i < commit->n_checks; i++)
                if (strcmp(commit->checks[i].key, key) == 0)
                        return &commit->checks[i];
        return NULL;
}

static bool is_written(const struct coordinator_commit *commit, const char *key) {
        for (size_t i = 0; i < commit->n_writes; i++)
                if (strcmp(commit->writes[i].key, key) == 0)
                        return true;
        return false;
}

/* Unconditionally. The node may change before the multi arrives: then once more. */
static int plan_blind(struct plan *p, const char *path, struct coordinator_write *write) {
        struct zookeeper_request *node =
                zookeeper_request_read(p->zookeeper->session, ZOOKEEPER_GET, path);
        int r = zookeeper_request_wait(node, p->deadline_ns);

        if (r == 0 && node->code != ZOK && node->code != ZNONODE)
                r = zookeeper_handle_refused(p->zookeeper->session, node->code, path);
        if (r == 0 && node->code == ZOK)
                plan_change(p, path, write, ANY_VERSION, false);
        else if (r == 0 && write->value != NULL)
                plan_create(p, path, write, false);
        zookeeper_request_free(node);
        return r;
}

static int plan_write(struct plan *p, const struct coordinator_commit *commit,
                      struct coordinator_write *write) {
        const struct coordinator_check *check = find_check(commit, write->key);
        const char *path = plan_path(p, write->key);

        if (path == NULL)
                return -ENOMEM;
        if (check == NULL)
                return plan_blind(p, path, write);
        if (check->modified != 0)
                plan_change(p, path, write, zookeeper_version(check->modified), true);
        else if (write->value != NULL)
                plan_create(p, path, write, true);
        else
                plan_absent(p, path);
        return 0;
}

static int plan_check(struct plan *p, const struct coordinator_check *check) {
        const char *path = plan_path(p, check->key);

        if (path == NULL)
                return -ENOMEM;
        if (check->modified == 0)
                plan_absent(p, path);
        else
                zoo_check_op_init(plan_add(p, path, NULL, true), path,
                                  zookeeper_version(check->modified));
        return 0;
}

static int make_plan(struct plan *p, const struct coordinator_commit *commit) {
        int r = commit->n_checks > COORDINATOR_COMMIT_MAX ||
                                commit->n_writes > COORDINATOR_COMMIT_MAX ? -E2BIG : 0;

        plan_clear(p);
        for (size_t i = 0; r == 0 && i < commit->n_checks; i++)
                if (!is_written(commit, commit->checks[i].key))
                        r = plan_check(p, &commit->checks[i]);
        for (size_t i = 0; r == 0 && i < commit->n_writes; i++)
                r = plan_write(p, commit, &commit->writes[i]);
        return r;
}

/* ---- folders */

static int make_folder(struct plan *p, const char *path) {
        struct zookeeper_request *request =
                zookeeper_request_create(p->zookeeper->session, path, ZOOKEEPER_FOLDER);
        int r = zookeeper_request_wait(request, p->deadline_ns);

        /* without the right to create the folder we may still use an existing one, and create
         * those below it: ZooKeeper looks at the right first */
        p->folders_denied = r == 0 && request->code == ZNOAUTH;
        if (r == 0 && request->code != ZNOAUTH && request->code != ZNODEEXISTS)
                r = zookeeper_handle_refused(p->zookeeper->session, request->code, path);
        zookeeper_request_free(request);
        return r;
}

/* All that are above it. */
static int make_folders(struct plan *p, const char *path) {
        char *folder = strdup(path);
        int r = folder == NULL ? -ENOMEM : 0;

        for (char *slash = folder; r == 0 && (slash = strchr(slash + 1, '/')) != NULL;
             *slash = '/') {
                *slash = '\0';
                r = make_folder(p, folder);
        }
        free(folder);
        return r;
}

/* ---- the answer */

/* Nothing was done. 1: the obstacle is gone, try once more. */
static int judge_failure(struct plan *p, const struct zookeeper_request *request) {
        const struct operation *operation;
        int code;
        size_t i = 0;

        while (i < p->n && (request->results[i].err == ZOK ||
                            request->results[i].err == ZRUNTIMEINCONSISTENCY))
                i++;
        if (i == p->n)
                return zookeeper_handle_refused(p->zookeeper->session, request->code,
                                                p->zookeeper->prefix);
        operation = &p->operations[i];
        code = request->results[i].err;
        if (code == ZNONODE && p->zoo[i].type == ZOO_CREATE_OP) {
                int r = p->folders_denied ? zookeeper_handle_refused(p->zookeeper->session, ZNOAUTH,
                                                                     operation->path)
                                          : make_folders(p, operation->path);

                return r < 0 ? r : 1;
        }
        if (code == ZNONODE || code == ZNODEEXISTS || code == ZBADVERSION)
                return operation->checked ? -EAGAIN : 1;
        return zookeeper_handle_refused(p->zookeeper->session, code, operation->path);
}

static int perform_plan(struct plan *p) {
        struct zookeeper_request *request =
                zookeeper_request_multi(p->zookeeper->session, p->zoo, p->n);
        int r = zookeeper_request_wait(request, p->deadline_ns);

        if (r == 0 && request->code != ZOK)
                r = judge_failure(p, request);
        else if (r == 0)
                for (size_t i = 0; i < p->n; i++)
                        if (p->operations[i].write != NULL)
                                p->operations[i].write->modified =
                                        zookeeper_modified(&request->stats[i]);
        if (r == 0)
                zookeeper_handle_admitted(p->zookeeper->session);
        zookeeper_request_free(request);
        return r;
}

static bool needs_session(const struct coordinator_commit *commit) {
        for (size_t i = 0; i < commit->n_writes; i++)
                if (commit->writes[i].session)
                        return true;
        return false;
}

int zookeeper_commit(void *coordinator, const struct coordinator_commit *commit) {
        struct plan *p = calloc(1, sizeof(*p));
        int r;

        if (p == NULL)
                return -ENOMEM;
        p->zookeeper = coordinator;
        p->deadline_ns = zookeeper_handle_deadline_ns(p->zookeeper);
        r = zookeeper_session_ready(p->zookeeper->session, p->deadline_ns);
        /* the session in which it shall be written has ended */
        if (r == 0 && needs_session(commit) && !p->zookeeper->session->begun)
                r = -EAGAIN;
        for (int i = 0; r == 0; i++) {
                r = make_plan(p, commit);
                if (r == 0 && p->n > 0)
                        r = perform_plan(p);
                if (r <= 0)
                        break;
                r = i < TRIES ? 0 : -EAGAIN;
        }
        plan_clear(p);
        free(p);
        return r == -ESTALE ? -EAGAIN : r;
}
