/* SPDX-License-Identifier: MIT */
/* A request is a message, its answer another one: each late, lost or doubled alone. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fiber.h"
#include "fleet_world.h"

#define TIMEOUTS_IN_TTL 6 /* as of the backends */

enum message_kind { MESSAGE_LIST, MESSAGE_COMMIT, MESSAGE_BEGIN, MESSAGE_KEEP, MESSAGE_END };

struct message {
        unsigned refs; /* events which hold it */
        enum message_kind kind;
        unsigned host;
        uint64_t call;
        char prefix[FLEET_KEY_MAX];
        struct memory_late *late;
        unsigned session;
        int64_t ttl_ns;
        /* once it has arrived */
        bool arrived;
        int result;
        struct coordinator_list list;
        uint64_t changes;
        /* of a commit */
        bool claims, knew;
        struct fleet_knowledge known; /* to its sender's disk */
        struct fleet_point point;     /* what it was done at */
        int64_t done_ns;
};

struct message *message_free(struct message *m) {
        if (m == NULL || --m->refs > 0)
                return NULL;
        memory_late_free(m->late);
        coordinator_list_clear(&m->list);
        free(m);
        return NULL;
}

static struct message *message_new(const struct sim_host *host, enum message_kind kind) {
        struct message *m = calloc(1, sizeof(*m));

        cr_assert_not_null(m);
        m->refs = 1;
        m->kind = kind;
        m->host = host->index;
        m->session = host->session;
        return m;
}

static void schedule(struct message *m, enum fleet_event_kind kind, int64_t delay_ns) {
        m->refs++;
        fleet_schedule(fleet_world.now_ns + delay_ns, kind, m->host, m->call, m);
}

static int64_t delay(void) {
        if (fleet_world.rules.calm)
                return 300 * US + (int64_t)fleet_below(1200) * US;
        return fleet_chance(30) ? fleet_spread(20 * MS, 10 * MINUTE) :
                                  300 * US + (int64_t)fleet_below(8000) * US;
}

static bool loses(int64_t until_ns) {
        return fleet_world.now_ns < until_ns || (!fleet_world.rules.calm && fleet_chance(150));
}

/* ---- at the coordinator */

static int commit_done(struct message *m) {
        int r = memory_commit(&fleet_world.memory, m->session, &m->late->commit);

        if (r < 0)
                return r;
        check_written(&m->late->commit);
        m->knew = attack_committed(&m->late->commit, &m->known, m->claims);
        m->point = attack_now();
        m->done_ns = fleet_world.now_ns;
        return 0;
}

static int done(struct message *m) {
        struct memory_coordinator *memory = &fleet_world.memory;

        switch (m->kind) {
        case MESSAGE_LIST:
                if (m->arrived)
                        return m->result;
                return memory_list(memory, m->prefix, &m->list);
        case MESSAGE_COMMIT:
                return commit_done(m);
        case MESSAGE_BEGIN:
                m->session = memory_session_begin(memory, m->ttl_ns);
                return 0;
        case MESSAGE_KEEP:
                return memory_session_keep(memory, m->session, &m->ttl_ns);
        default:
                memory_session_end(memory, m->session);
                return 0;
        }
}

void message_arrive(struct message *m) {
        const struct sim_host *host = &fleet_world.hosts[m->host];

        if (fleet_world.now_ns >= fleet_world.outage_ns) {
                int r = done(m);

                if (!m->arrived) {
                        m->arrived = true;
                        m->result = r;
                        memory_expire(&fleet_world.memory);
                        m->changes = fleet_world.memory.n_changes;
                        if (!loses(host->answers_lost_ns))
                                schedule(m, FLEET_ANSWER, delay());
                }
        }
        message_free(m);
}

/* ---- at the host */

void message_answer(struct sim_host *host, struct message *m, uint64_t call) {
        if (host->fiber != NULL && host->call == call) {
                host->answer = m;
                host_resume(host);
        }
        message_free(m);
}

/* The process is stopped between two steps of its own. */
static void stall(struct sim_host *host) {
        if (fleet_world.rules.calm || !fleet_chance(300))
                return;
        host_promise(host);
        host->stopped_until_ns = fleet_world.now_ns + fleet_spread(MS, 20 * MINUTE);
        fleet_trace(host, "is stopped before a request");
        fleet_world.sum.stalls++;
        fleet_schedule(fleet_world.now_ns, FLEET_TIMEOUT, host->index, ++host->call, NULL);
        fiber_wait();
}

static void send_message(struct sim_host *host, struct message *m) {
        if (!loses(host->requests_lost_ns)) {
                schedule(m, FLEET_ARRIVE, delay());
        } else if (fleet_chance(3)) {
                fleet_world.sum.late++;
                schedule(m, FLEET_ARRIVE, fleet_spread(SECOND, 3 * HOUR));
        }
        if (!fleet_world.rules.calm && fleet_chance(100)) {
                fleet_world.sum.twice++;
                schedule(m, FLEET_ARRIVE, fleet_spread(MS, HOUR));
        }
        fleet_schedule(host_after(host, fleet_world.rules.ttl_ns / TIMEOUTS_IN_TTL),
                       FLEET_TIMEOUT, host->index, host->call, NULL);
}

/* Waits for the answer; 0: it is in host->answer until anything else happens. */
static int call(struct sim_host *host, struct message *m) {
        if (!host->ghost)
                stall(host);
        if (host->ghost)
                return -EIO;
        m->call = ++host->call;
        fleet_world.sum.requests++;
        fleet_world.sum.requests_of_claims += host->phase == HOST_CLAIMS;
        send_message(host, m);
        host->answer = NULL;
        fiber_wait();
        if (host->ghost)
                return -EIO;
        if (host->answer == NULL)
                return fleet_chance(3) ? -EIO : -ETIMEDOUT;
        return m->result;
}

static int list_call(void *coordinator, const char *prefix, struct coordinator_list *ret) {
        struct sim_host *host = coordinator;
        struct message *m = message_new(host, MESSAGE_LIST);
        int r;

        snprintf(m->prefix, sizeof(m->prefix), "%s", prefix);
        r = call(host, m);
        if (r == 0) {
                *ret = m->list;
                m->list = (struct coordinator_list){ .n = 0 };
                host->seen_changes = m->changes;
        }
        message_free(m);
        return r;
}

static int commit_call(void *coordinator, const struct coordinator_commit *commit) {
        struct sim_host *host = coordinator;
        struct message *m = message_new(host, MESSAGE_COMMIT);
        int r;

        m->late = memory_late_new(commit);
        m->claims = host->phase == HOST_CLAIMS;
        m->known = host->known;
        r = call(host, m);
        if (r == 0) {
                host->seen = m->point;
                host->seen_ns = m->done_ns;
                host->seen_knew = m->knew;
        }
        for (size_t i = 0; r == 0 && i < commit->n_writes; i++)
                commit->writes[i].modified = m->late->writes[i].modified;
        message_free(m);
        return r;
}

static int begin_call(void *coordinator, int64_t ttl_ns, int64_t *ret_ttl_ns) {
        struct sim_host *host = coordinator;
        struct message *m = message_new(host, MESSAGE_BEGIN);
        int r;

        m->ttl_ns = ttl_ns;
        r = call(host, m);
        if (r == 0) {
                host->session = m->session;
                *ret_ttl_ns = m->ttl_ns;
        }
        message_free(m);
        return r;
}

static int keep_call(void *coordinator, int64_t *ret_ttl_ns) {
        struct sim_host *host = coordinator;
        struct message *m = message_new(host, MESSAGE_KEEP);
        int r = call(host, m);

        if (r == 0)
                *ret_ttl_ns = m->ttl_ns;
        message_free(m);
        return r;
}

static int end_call(void *coordinator) {
        struct sim_host *host = coordinator;
        struct message *m = message_new(host, MESSAGE_END);
        int r = call(host, m);

        message_free(m);
        return r;
}

const struct coordinator_calls fleet_calls = { list_call, commit_call, begin_call, keep_call,
                                               end_call };
