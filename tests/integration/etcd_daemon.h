/* SPDX-License-Identifier: MIT */
#pragma once
/* A private daemon whose coordinator is an etcd, and what its log and records say. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/etcd_nodes.h"
#include "tests/support/private_daemon.h"

static inline void etcd_daemon_prepare(struct private_daemon *d, const char *endpoints) {
        private_daemon_prepare(d);
        /* workers.first=0 is first, and not with etcd */
        memmove(d->sets[0], d->sets[1], sizeof(d->sets[0]) * --d->n_sets);
        private_daemon_set(d, "workers.backend=etcd");
        private_daemon_set(d, "etcd.endpoints=%s", endpoints);
        private_daemon_set(d, "etcd.ttl=6s");
}

static inline bool log_says(const struct private_daemon *d, const char *part) {
        char *log = private_daemon_log(d);
        bool yes = strstr(log, part) != NULL;

        free(log);
        return yes;
}

static inline void expect_log(const struct private_daemon *d, const char *part) {
        char *log = private_daemon_log(d);

        cr_assert_not_null(strstr(log, part), "the log does not say \"%s\":\n%s", part, log);
        free(log);
}

struct log_wait {
        const struct private_daemon *daemon;
        const char *part;
};

static inline bool log_wait_over(void *context) {
        const struct log_wait *wait = context;

        return log_says(wait->daemon, wait->part);
}

static inline void wait_for_log(const struct private_daemon *d, const char *part) {
        struct log_wait wait = { d, part };

        if (!wait_until(log_wait_over, &wait, 60000))
                expect_log(d, part);
}

/* The log begins anew: what is found later happened later. */
static inline void forget_log(const struct private_daemon *d) {
        cr_assert_eq(truncate(d->log, 0), 0);
}

/* One ID, or the error. */
static inline int next_id(const struct private_daemon *d, uint64_t *ret_id) {
        sfshm *s = private_daemon_open(d, 0);
        int r;

        cr_assert_eq(sfshm_set_timeout(s, INT64_C(60000000000)), 0);
        r = sfshm_next(s, ret_id);
        sfshm_close(s);
        return r;
}

static inline unsigned worker_of(uint64_t id) {
        return (unsigned)(id >> 12 & 1023);
}

/* How often each host's record was written, in the order of their keys. */
#define RECORDS_MAX 8
struct renewals {
        size_t n;
        unsigned long of[RECORDS_MAX];
};

static inline struct renewals read_renewals(const struct etcd_nodes *e) {
        char *text = NODES_CTL(e, "get", "--prefix", "/sfshm/region/0/host/", "-w", "json");
        struct renewals renewals = { .n = 0 };

        for (const char *at = text; at != NULL && renewals.n < RECORDS_MAX &&
                                    (at = strstr(at, "\"version\":")) != NULL; at++)
                renewals.of[renewals.n++] = strtoul(at + 10, NULL, 10);
        free(text);
        return renewals;
}

struct renewal_wait {
        const struct etcd_nodes *nodes;
        struct renewals before;
        unsigned long more;
};

/* etcd does not answer in an election. */
static inline bool renewals_known(void *context) {
        struct renewal_wait *wait = context;

        wait->before = read_renewals(wait->nodes);
        return wait->before.n > 0;
}

static inline bool renewal_wait_over(void *context) {
        const struct renewal_wait *wait = context;
        struct renewals now = read_renewals(wait->nodes);

        if (now.n < wait->before.n)
                return false;
        for (size_t i = 0; i < wait->before.n; i++)
                if (now.of[i] < wait->before.of[i] + wait->more)
                        return false;
        return true;
}

/* Until each host has written its record so many times more. */
static inline void wait_for_renewals(const struct etcd_nodes *e, unsigned long more) {
        struct renewal_wait wait = { e, { .n = 0 }, more };

        cr_assert(wait_until(renewals_known, &wait, 60000), "there are no records");
        cr_assert(wait_until(renewal_wait_over, &wait, 60000), "not all renew");
}
