/* SPDX-License-Identifier: MIT */
#include "tests/cluster/clients.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/id.h"

#define AT_ONCE 8
#define PART_CAPACITY (16u << 20) /* at 8 IDs a millisecond: for half an hour */
#define REPORTS (CLUSTER_HOSTS * HOST_CLIENTS)

void clients_prepare(struct cluster *c) {
        c->arena = arena_new(REPORTS, PART_CAPACITY);
        c->reports = mmap(NULL, REPORTS * sizeof(*c->reports), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(c->reports, MAP_FAILED);
}

void clients_free(struct cluster *c) {
        c->arena = arena_free(c->arena);
        munmap(c->reports, REPORTS * sizeof(*c->reports));
}

/* ---- a client */

static int open_at(const struct cluster_host *h, sfshm **ret) {
        int r = sfshm_open(ret, h->daemon.socket, 0);

        return r < 0 ? r : sfshm_set_timeout(*ret, CLIENT_TIMEOUT_NS);
}

static void take(const struct cluster_host *h, size_t part, struct client_report *report) {
        struct arena *arena = h->cluster->arena;
        sfshm *s = NULL;
        uint64_t id;

        for (;;) {
                for (int i = 0; i < AT_ONCE; i++) {
                        int r = s == NULL ? open_at(h, &s) : 0;

                        if (r == 0)
                                r = sfshm_next(s, &id);
                        if (r == 0)
                                arena_add(arena, part, id);
                        else
                                atomic_fetch_add(&report->errors, 1);
                        atomic_store(&report->error, r);
                }
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
}

static size_t part_of(const struct cluster_host *h, unsigned client) {
        return h->number * HOST_CLIENTS + client;
}

void host_start_clients(struct cluster_host *h) {
        for (unsigned i = 0; i < HOST_CLIENTS; i++) {
                size_t part = part_of(h, i);

                if (h->clients[i] != 0)
                        continue;
                h->clients[i] = fork_bound();
                cr_assert_geq(h->clients[i], 0);
                if (h->clients[i] == 0)
                        take(h, part, &h->cluster->reports[part]);
        }
}

void host_signal_clients(struct cluster_host *h, int signal) {
        for (unsigned i = 0; i < HOST_CLIENTS; i++) {
                if (h->clients[i] == 0)
                        continue;
                cr_assert_eq(kill(h->clients[i], signal), 0);
                if (signal != SIGKILL)
                        continue;
                waitpid(h->clients[i], NULL, 0);
                h->clients[i] = 0;
        }
}

/* ---- what they see */

static size_t taken(const struct cluster_host *h, unsigned client) {
        /* acquire: pairs with arena_add() */
        return atomic_load_explicit(&h->cluster->arena->parts[part_of(h, client)].used,
                                    memory_order_acquire);
}

struct flow {
        const struct cluster_host *host;
        size_t before[HOST_CLIENTS];
        int error;
};

static bool flows(void *context) {
        const struct flow *f = context;

        for (unsigned i = 0; i < HOST_CLIENTS; i++)
                if (taken(f->host, i) < f->before[i] + 200)
                        return false;
        return true;
}

void host_expect_ids(struct cluster_host *h) {
        struct flow f = { .host = h };

        for (unsigned i = 0; i < HOST_CLIENTS; i++)
                f.before[i] = taken(h, i);
        if (!wait_until(flows, &f, CLUSTER_LIMIT_MS)) {
                char *log = private_daemon_log(&h->daemon);

                cr_assert_fail("the clients of host %u get no IDs (%s); its daemon's log:\n%s",
                               h->number, sfshm_strerror(h->cluster->reports[part_of(h, 0)].error),
                               log);
        }
}

static bool fail_so(void *context) {
        const struct flow *f = context;

        for (unsigned i = 0; i < HOST_CLIENTS; i++)
                if (f->host->cluster->reports[part_of(f->host, i)].error != f->error)
                        return false;
        return true;
}

void host_expect_error(struct cluster_host *h, int error) {
        struct flow f = { .host = h, .error = error };

        cr_assert(wait_until(fail_so, &f, CLUSTER_LIMIT_MS),
                  "clients of host %u do not get \"%s\" but \"%s\"", h->number,
                  sfshm_strerror(error),
                  sfshm_strerror(h->cluster->reports[part_of(h, 0)].error));
}

unsigned host_errors(const struct cluster_host *h) {
        unsigned errors = 0;

        for (unsigned i = 0; i < HOST_CLIENTS; i++)
                errors += atomic_load(&h->cluster->reports[part_of(h, i)].errors);
        return errors;
}

struct more_errors {
        const struct cluster_host *host;
        unsigned before;
};

static bool more_fail(void *context) {
        const struct more_errors *m = context;

        return host_errors(m->host) > m->before;
}

void host_expect_errors(struct cluster_host *h) {
        struct more_errors m = { h, host_errors(h) };

        cr_assert(wait_until(more_fail, &m, CLUSTER_LIMIT_MS), "no call at host %u fails",
                  h->number);
}

/* Of the layout; worker and sequence have 22 together in all scenarios. */
static unsigned sequence_bits(const struct cluster *c) {
        unsigned bits = 12;

        for (unsigned i = 0; i < c->hosts[0].daemon.n_sets; i++)
                (void)sscanf(c->hosts[0].daemon.sets[i], "id.layout=41/%*u/%u", &bits);
        return bits;
}

/* ---- the comparison */

static int compare(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

/* (tick, worker) and the host, once each: a client's neighbours are mostly of one. */
static size_t list_owners(const struct cluster *c, uint64_t *owners) {
        unsigned bits = sequence_bits(c);
        size_t n = 0;

        for (size_t part = 0; part < REPORTS; part++) {
                const struct part *p = &c->arena->parts[part];
                size_t used = atomic_load_explicit(&p->used, memory_order_acquire), first = n;

                cr_assert_lt(used, PART_CAPACITY, "there was no place for all IDs");
                for (size_t i = 0; i < used; i++) {
                        uint64_t owner = p->ids[i] >> bits << 4 | part / HOST_CLIENTS;

                        if (n == first || owners[n - 1] != owner)
                                owners[n++] = owner;
                }
        }
        return n;
}

static void expect_disjoint(const struct cluster *c, size_t total) {
        uint64_t *owners = malloc((total + 1) * sizeof(*owners));
        size_t n;

        cr_assert_not_null(owners);
        n = list_owners(c, owners);
        qsort(owners, n, sizeof(*owners), compare);
        for (size_t i = 1; i < n; i++)
                cr_assert(owners[i] >> 4 != owners[i - 1] >> 4 || owners[i] == owners[i - 1],
                          "hosts %" PRIu64 " and %" PRIu64 " both had (tick, worker) %#" PRIx64,
                          owners[i - 1] & 15, owners[i] & 15, owners[i] >> 4);
        free(owners);
}

void clients_check(const struct cluster *c) {
        size_t total = arena_expect_unique(c->arena);

        cr_assert_gt(total, 0);
        expect_disjoint(c, total);
        fprintf(stderr, "%zu IDs of %u hosts compared: none twice, no tick of a worker with two "
                "owners\n", total, c->n_hosts);
}
