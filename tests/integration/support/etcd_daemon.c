/* SPDX-License-Identifier: MIT */
#include "tests/integration/support/etcd_daemon.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

void etcd_daemon_prepare(struct private_daemon *d, const char *endpoints) {
        private_daemon_prepare(d);
        private_daemon_unset_first(d);
        private_daemon_set(d, "workers.backend=etcd");
        private_daemon_set(d, "etcd.endpoints=%s", endpoints);
        private_daemon_set(d, "etcd.ttl=6s");
}

unsigned etcd_daemon_worker(uint64_t id) {
        return (unsigned)(id >> 12 & 1023);
}

#define RECORDS_MAX 8

/* How often each host's record was written, in the order of their keys. */
struct renewals {
        size_t n;
        unsigned long of[RECORDS_MAX];
};

static struct renewals read_renewals(const struct etcd_nodes *e) {
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
static bool renewals_known(void *context) {
        struct renewal_wait *wait = context;

        wait->before = read_renewals(wait->nodes);
        return wait->before.n > 0;
}

static bool renewal_wait_over(void *context) {
        const struct renewal_wait *wait = context;
        struct renewals now = read_renewals(wait->nodes);

        if (now.n < wait->before.n)
                return false;
        for (size_t i = 0; i < wait->before.n; i++)
                if (now.of[i] < wait->before.of[i] + wait->more)
                        return false;
        return true;
}

void wait_for_renewals(const struct etcd_nodes *e, unsigned long more) {
        struct renewal_wait wait = { e, { .n = 0 }, more };

        cr_assert(wait_until(renewals_known, &wait, 60000), "there are no records");
        cr_assert(wait_until(renewal_wait_over, &wait, 60000), "not all renew");
}
