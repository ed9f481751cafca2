/* SPDX-License-Identifier: MIT */
#include "tests/support/memory_coordinator.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/keys/record.h"

static void *grown(void *array, size_t n, size_t *size, size_t item) {
        if (n < *size)
                return array;
        *size = *size == 0 ? 64 : *size * 2;
        array = realloc(array, *size * item);
        cr_assert_not_null(array);
        return array;
}

/* ---- keys, in order */

/* Where the key is, or would be. */
static size_t place_of(const struct memory_coordinator *m, const char *key) {
        size_t low = 0, high = m->n_keys;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(m->keys[middle]->key, key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static struct memory_key *find(const struct memory_coordinator *m, const char *key) {
        size_t at = place_of(m, key);

        return at < m->n_keys && strcmp(m->keys[at]->key, key) == 0 ? m->keys[at] : NULL;
}

static void delete_at(struct memory_coordinator *m, size_t at) {
        struct memory_key *key = m->keys[at];

        m->bytes -= strlen(key->key) + strlen(key->value);
        m->n_changes++;
        m->n_keys--;
        memmove(m->keys + at, m->keys + at + 1, (m->n_keys - at) * sizeof(*m->keys));
        free(key->key);
        free(key->value);
        free(key);
}

static struct memory_key *insert(struct memory_coordinator *m, const char *name) {
        size_t at = place_of(m, name);
        struct memory_key *key = calloc(1, sizeof(*key));

        cr_assert_not_null(key);
        key->key = strdup(name);
        key->value = strdup("");
        m->bytes += strlen(name);
        m->keys = grown(m->keys, m->n_keys, &m->keys_size, sizeof(*m->keys));
        memmove(m->keys + at + 1, m->keys + at, (m->n_keys - at) * sizeof(*m->keys));
        m->keys[at] = key;
        m->n_keys++;
        return key;
}

static void write_key(struct memory_coordinator *m, const char *name, const char *value,
                      unsigned session) {
        struct memory_key *key = find(m, name);

        if (value == NULL) {
                if (key != NULL)
                        delete_at(m, place_of(m, name));
                return;
        }
        if (key == NULL)
                key = insert(m, name);
        m->bytes += strlen(value) - strlen(key->value);
        m->n_changes++;
        free(key->value);
        key->value = strdup(value);
        key->modified = m->revision;
        key->session = session;
}

/* ---- sessions */

static struct memory_session *session_of(const struct memory_coordinator *m, unsigned id) {
        for (size_t low = 0, high = m->n_living; low < high;) {
                size_t middle = low + (high - low) / 2;

                if (m->sessions[middle].id == id)
                        return &m->sessions[middle];
                if (m->sessions[middle].id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

void memory_expire(struct memory_coordinator *m) {
        size_t n = m->n_living;

        if (m->now_ns < m->first_end_ns)
                return;
        m->first_end_ns = INT64_MAX;
        m->n_living = 0;
        for (size_t i = 0; i < n; i++) {
                struct memory_session session = m->sessions[i];

                if (session.end_ns <= m->now_ns)
                        continue;
                m->sessions[m->n_living++] = session;
                if (session.end_ns < m->first_end_ns)
                        m->first_end_ns = session.end_ns;
        }
        for (size_t i = m->n_living == n ? 0 : m->n_keys; i-- > 0;)
                if (m->keys[i]->session != 0 && session_of(m, m->keys[i]->session) == NULL)
                        delete_at(m, i);
}

unsigned memory_session_begin(struct memory_coordinator *m, int64_t ttl_ns) {
        memory_expire(m);
        m->sessions = grown(m->sessions, m->n_living, &m->sessions_size, sizeof(*m->sessions));
        m->sessions[m->n_living++] =
                (struct memory_session){ ++m->n_sessions, ttl_ns, m->now_ns + ttl_ns };
        if (m->now_ns + ttl_ns < m->first_end_ns)
                m->first_end_ns = m->now_ns + ttl_ns;
        return m->n_sessions;
}

int memory_session_keep(struct memory_coordinator *m, unsigned id, int64_t *ret_ttl_ns) {
        struct memory_session *session;

        m->n_keeps++;
        memory_expire(m);
        session = session_of(m, id);
        if (session == NULL)
                return -ESTALE;
        session->end_ns = m->now_ns + session->ttl_ns;
        *ret_ttl_ns = session->ttl_ns;
        return 0;
}

void memory_session_end(struct memory_coordinator *m, unsigned id) {
        struct memory_session *session = session_of(m, id);

        if (session != NULL)
                session->end_ns = m->first_end_ns = m->now_ns;
        memory_expire(m);
}

int64_t memory_session_until(struct memory_coordinator *m, unsigned id) {
        const struct memory_session *session;

        memory_expire(m);
        session = session_of(m, id);
        return session != NULL ? session->end_ns : 0;
}

void memory_restart(struct memory_coordinator *m) {
        for (size_t i = 0; i < m->n_living; i++)
                m->sessions[i].end_ns = m->now_ns + m->sessions[i].ttl_ns;
        m->first_end_ns = m->now_ns;
}

/* ---- requests */

static bool holds(const struct memory_coordinator *m, const struct coordinator_commit *commit) {
        for (size_t i = 0; i < commit->n_checks; i++) {
                const struct memory_key *key = find(m, commit->checks[i].key);

                if ((key != NULL ? key->modified : 0) != commit->checks[i].modified)
                        return false;
        }
        return true;
}

/* As of etcd: a key cannot end with a session that has ended. */
static bool can_write(const struct memory_coordinator *m, unsigned session,
                      const struct coordinator_commit *commit) {
        for (size_t i = 0; i < commit->n_writes; i++)
                if (commit->writes[i].session && session_of(m, session) == NULL)
                        return false;
        return true;
}

int memory_commit(struct memory_coordinator *m, unsigned session,
                  const struct coordinator_commit *commit) {
        bool may;

        memory_expire(m);
        may = holds(m, commit);
        if (!may || !can_write(m, session, commit)) {
                m->n_refused++;
                return may ? -EIO : -EAGAIN;
        }
        m->revision++;
        m->n_writes++;
        for (size_t i = 0; i < commit->n_writes; i++) {
                write_key(m, commit->writes[i].key, commit->writes[i].value,
                          commit->writes[i].session ? session : 0);
                commit->writes[i].modified = m->revision;
        }
        return 0;
}

int memory_list(struct memory_coordinator *m, const char *prefix, struct coordinator_list *ret) {
        size_t length = strlen(prefix), first, end;

        m->n_lists++;
        memory_expire(m);
        first = end = place_of(m, prefix);
        while (end < m->n_keys && strncmp(m->keys[end]->key, prefix, length) == 0)
                end++;
        *ret = (struct coordinator_list){ calloc(end - first + 1, sizeof(*ret->items)), 0 };
        cr_assert_not_null(ret->items);
        for (; first < end; first++) {
                const struct memory_key *key = m->keys[first];

                m->bytes_listed += strlen(key->key) + strlen(key->value);
                ret->items[ret->n++] = (struct coordinator_item){
                        strdup(key->key), strdup(key->value), key->modified };
        }
        return 0;
}

const struct memory_key *memory_first(const struct memory_coordinator *m, const char *prefix) {
        size_t at = place_of(m, prefix);

        return at < m->n_keys && strncmp(m->keys[at]->key, prefix, strlen(prefix)) == 0 ?
                       m->keys[at] : NULL;
}

const char *memory_get(const struct memory_coordinator *m, const char *prefix) {
        const struct memory_key *key = memory_first(m, prefix);

        return key != NULL ? key->value : NULL;
}

void memory_put(struct memory_coordinator *m, const char *key, const char *value) {
        m->revision++;
        write_key(m, key, value, 0);
}

void memory_begin_space(struct memory_coordinator *memory, const struct id_layout *layout,
                        uint64_t horizon_ms) {
        const struct record_contract contract = { .space = "11111111111111111111111111111111",
                                                  .layout = *layout,
                                                  .horizon_ms = horizon_ms };
        char *text = record_contract_text(&contract);

        memory_put(memory, "contract", text);
        free(text);
}

void memory_end(struct memory_coordinator *m) {
        while (m->n_keys > 0)
                delete_at(m, m->n_keys - 1);
        free(m->keys);
        free(m->sessions);
        *m = (struct memory_coordinator){ .keys = NULL };
}

/* ---- backups */

static void copy_keys(struct memory_coordinator *to, const struct memory_coordinator *from) {
        for (size_t i = 0; i < from->n_keys; i++) {
                const struct memory_key *key = from->keys[i];

                to->revision = key->modified;
                write_key(to, key->key, key->value, key->session);
        }
        to->revision = from->revision;
}

struct memory_coordinator memory_copy(const struct memory_coordinator *m) {
        struct memory_coordinator copy = *m;

        copy.keys = NULL;
        copy.n_keys = copy.keys_size = copy.sessions_size = copy.n_living = 0;
        copy.sessions = NULL;
        copy.bytes = 0;
        copy_keys(&copy, m);
        for (; copy.n_living < m->n_living; copy.n_living++) {
                copy.sessions = grown(copy.sessions, copy.n_living, &copy.sessions_size,
                                      sizeof(*copy.sessions));
                copy.sessions[copy.n_living] = m->sessions[copy.n_living];
        }
        return copy;
}

void memory_put_back(struct memory_coordinator *m, const struct memory_coordinator *copy) {
        struct memory_coordinator from = memory_copy(copy);

        while (m->n_keys > 0)
                delete_at(m, m->n_keys - 1);
        free(m->keys);
        free(m->sessions);
        m->keys = from.keys;
        m->n_keys = from.n_keys;
        m->keys_size = from.keys_size;
        m->sessions = from.sessions;
        m->n_living = from.n_living;
        m->sessions_size = from.sessions_size;
        m->revision = from.revision;
        m->bytes = from.bytes;
        m->n_changes++;
        memory_restart(m);
}

/* ---- late ones */

struct memory_late *memory_late_new(const struct coordinator_commit *commit) {
        struct memory_late *late = calloc(1, sizeof(*late));

        cr_assert_not_null(late);
        for (size_t i = 0; i < commit->n_checks; i++)
                late->checks[i] = (struct coordinator_check){ strdup(commit->checks[i].key),
                                                              commit->checks[i].modified };
        for (size_t i = 0; i < commit->n_writes; i++) {
                late->writes[i] = commit->writes[i];
                late->writes[i].key = strdup(commit->writes[i].key);
                if (commit->writes[i].value != NULL)
                        late->writes[i].value = strdup(commit->writes[i].value);
        }
        late->commit = (struct coordinator_commit){ late->checks, commit->n_checks, late->writes,
                                                    commit->n_writes };
        return late;
}

struct memory_late *memory_late_free(struct memory_late *late) {
        for (size_t i = 0; late != NULL && i < late->commit.n_checks; i++)
                free((char *)late->checks[i].key);
        for (size_t i = 0; late != NULL && i < late->commit.n_writes; i++) {
                free((char *)late->writes[i].key);
                free((char *)late->writes[i].value);
        }
        free(late);
        return NULL;
}

/* ---- one host's way there */

int memory_deliver(struct memory_host *host) {
        int r = memory_commit(host->memory, host->session, &host->late->commit);

        host->late = memory_late_free(host->late);
        return r;
}

static int commit_call(void *coordinator, const struct coordinator_commit *commit) {
        struct memory_host *host = coordinator;
        bool due = host->commits_before == 0;
        enum memory_loss loss = host->away ? MEMORY_AWAY : due ? host->commit_loss : MEMORY_WELL;
        int r;

        if (due)
                host->commit_loss = MEMORY_WELL;
        else
                host->commits_before--;
        if (loss == MEMORY_AWAY)
                return -EIO;
        if (loss == MEMORY_REQUEST_LATE) {
                host->late = memory_late_new(commit);
                return -ETIMEDOUT;
        }
        r = memory_commit(host->memory, host->session, commit);
        if (loss != MEMORY_ANSWER_LOST)
                return r;
        for (size_t i = 0; i < commit->n_writes; i++)
                commit->writes[i].modified = 0;
        return -ETIMEDOUT;
}

static int list_call(void *coordinator, const char *prefix, struct coordinator_list *ret) {
        struct memory_host *host = coordinator;

        return host->away ? -EIO : memory_list(host->memory, prefix, ret);
}

static int begin_call(void *coordinator, int64_t ttl_ns, int64_t *ret_ttl_ns) {
        struct memory_host *host = coordinator;

        if (host->away)
                return -EIO;
        host->session = memory_session_begin(host->memory, ttl_ns);
        *ret_ttl_ns = ttl_ns;
        return 0;
}

static int keep_call(void *coordinator, int64_t *ret_ttl_ns) {
        struct memory_host *host = coordinator;

        return host->away ? -EIO : memory_session_keep(host->memory, host->session, ret_ttl_ns);
}

static int end_call(void *coordinator) {
        struct memory_host *host = coordinator;

        memory_session_end(host->memory, host->session);
        return 0;
}

const struct coordinator_calls memory_calls = { list_call, commit_call, begin_call, keep_call,
                                                end_call };
