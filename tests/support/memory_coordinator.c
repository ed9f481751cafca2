/* SPDX-License-Identifier: MIT */
#include "tests/support/memory_coordinator.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct memory_key *find(struct memory_coordinator *m, const char *key) {
        for (size_t i = 0; i < m->n_keys; i++)
                if (strcmp(m->keys[i].key, key) == 0)
                        return &m->keys[i];
        return NULL;
}

static void delete_key(struct memory_coordinator *m, struct memory_key *key) {
        free(key->key);
        free(key->value);
        *key = m->keys[--m->n_keys];
}

static void write_key(struct memory_coordinator *m, const char *name, const char *value,
                      unsigned session) {
        struct memory_key *key = find(m, name);

        if (value == NULL) {
                if (key != NULL)
                        delete_key(m, key);
                return;
        }
        if (key == NULL) {
                cr_assert_lt(m->n_keys, MEMORY_KEYS);
                key = &m->keys[m->n_keys++];
                *key = (struct memory_key){ .key = strdup(name) };
        }
        free(key->value);
        key->value = strdup(value);
        key->modified = m->revision;
        key->session = session;
}

static void expire(struct memory_coordinator *m) {
        for (size_t i = m->n_keys; i-- > 0;)
                if (m->keys[i].session != 0 && m->session_end_ns[m->keys[i].session] <= m->now_ns)
                        delete_key(m, &m->keys[i]);
}

static int commit_now(struct memory_host *host, const struct coordinator_commit *commit) {
        struct memory_coordinator *m = host->memory;

        expire(m);
        for (size_t i = 0; i < commit->n_checks; i++) {
                const struct memory_key *key = find(m, commit->checks[i].key);

                if ((key != NULL ? key->modified : 0) != commit->checks[i].modified)
                        return -EAGAIN;
        }
        m->revision++;
        m->n_writes++;
        for (size_t i = 0; i < commit->n_writes; i++) {
                write_key(m, commit->writes[i].key, commit->writes[i].value,
                          commit->writes[i].session ? host->session : 0);
                commit->writes[i].modified = m->revision;
        }
        return 0;
}

static void keep_late(struct memory_host *host, const struct coordinator_commit *commit) {
        for (size_t i = 0; i < commit->n_checks; i++)
                host->checks[i] = (struct coordinator_check){ strdup(commit->checks[i].key),
                                                              commit->checks[i].modified };
        for (size_t i = 0; i < commit->n_writes; i++) {
                host->writes[i] = commit->writes[i];
                host->writes[i].key = strdup(commit->writes[i].key);
                if (commit->writes[i].value != NULL)
                        host->writes[i].value = strdup(commit->writes[i].value);
        }
        host->late = (struct coordinator_commit){ host->checks, commit->n_checks, host->writes,
                                                  commit->n_writes };
}

int memory_deliver(struct memory_host *host) {
        int r = commit_now(host, &host->late);

        for (size_t i = 0; i < host->late.n_checks; i++)
                free((char *)host->checks[i].key);
        for (size_t i = 0; i < host->late.n_writes; i++) {
                free((char *)host->writes[i].key);
                free((char *)host->writes[i].value);
        }
        return r;
}

static int memory_commit(void *coordinator, const struct coordinator_commit *commit) {
        struct memory_host *host = coordinator;
        enum memory_loss loss = host->away ? MEMORY_AWAY : host->commit_loss;
        int r;

        host->commit_loss = MEMORY_WELL;
        if (loss == MEMORY_AWAY)
                return -EIO;
        if (loss == MEMORY_REQUEST_LATE) {
                keep_late(host, commit);
                return -ETIMEDOUT;
        }
        r = commit_now(host, commit);
        if (loss != MEMORY_ANSWER_LOST)
                return r;
        for (size_t i = 0; i < commit->n_writes; i++)
                commit->writes[i].modified = 0;
        return -ETIMEDOUT;
}

static int memory_list(void *coordinator, const char *prefix, struct coordinator_list *ret) {
        struct memory_host *host = coordinator;
        struct memory_coordinator *m = host->memory;

        if (host->away)
                return -EIO;
        expire(m);
        *ret = (struct coordinator_list){ calloc(MEMORY_KEYS, sizeof(*ret->items)), 0 };
        for (size_t i = 0; i < m->n_keys; i++)
                if (strncmp(m->keys[i].key, prefix, strlen(prefix)) == 0)
                        ret->items[ret->n++] = (struct coordinator_item){
                                strdup(m->keys[i].key), strdup(m->keys[i].value),
                                m->keys[i].modified };
        return 0;
}

static int memory_begin(void *coordinator, int64_t ttl_ns, int64_t *ret_ttl_ns) {
        struct memory_host *host = coordinator;

        if (host->away)
                return -EIO;
        host->session = ++host->memory->n_sessions;
        cr_assert_lt(host->session, MEMORY_SESSIONS);
        host->ttl_ns = *ret_ttl_ns = ttl_ns;
        host->memory->session_end_ns[host->session] = host->memory->now_ns + ttl_ns;
        return 0;
}

static int memory_keep(void *coordinator, int64_t *ret_ttl_ns) {
        struct memory_host *host = coordinator;
        int64_t *end_ns = &host->memory->session_end_ns[host->session];

        if (host->away)
                return -EIO;
        if (*end_ns <= host->memory->now_ns)
                return -ESTALE;
        *end_ns = host->memory->now_ns + host->ttl_ns;
        *ret_ttl_ns = host->ttl_ns;
        return 0;
}

static int memory_session_end(void *coordinator) {
        struct memory_host *host = coordinator;

        host->memory->session_end_ns[host->session] = 0;
        return 0;
}

const struct coordinator_calls memory_calls = { memory_list, memory_commit, memory_begin,
                                                memory_keep, memory_session_end };

const char *memory_get(const struct memory_coordinator *m, const char *prefix) {
        for (size_t i = 0; i < m->n_keys; i++)
                if (strncmp(m->keys[i].key, prefix, strlen(prefix)) == 0)
                        return m->keys[i].value;
        return NULL;
}

void memory_put(struct memory_coordinator *m, const char *key, const char *value) {
        m->revision++;
        write_key(m, key, value, 0);
}

void memory_end(struct memory_coordinator *m) {
        while (m->n_keys > 0)
                delete_key(m, &m->keys[0]);
}
