/* SPDX-License-Identifier: MIT */
/* How a start goes on from the claim of the worker IDs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "daemon/lease/backends.h"
#include "daemon/server/start.h"
#include "tests/support/until.h"

/* A coordinator that refuses. */
static char coordinator;

static int mock_open(void **ret_backend, const struct fleet_kind *kind,
                     const struct config *unused) {
        (void)kind, (void)unused;
        *ret_backend = &coordinator;
        return 0;
}
static int mock_claim(void *backend, struct lease_grant *ret) {
        (void)backend;
        *ret = (struct lease_grant){ .worker_count = 1 };
        return -EBADMSG;
}
static void mock_close(void *backend) {
        (void)backend;
}
static const struct lease_backend mock = { .open = mock_open, .claim = mock_claim,
                                           .close = mock_close };

/* In its place: the claim is over before the ledger thread looks, as when that gets no
 * processor time. */
int backends_lease_new(struct lease **ret, const struct config *config) {
        int r = lease_new(ret, &mock, (const struct fleet_kind *)(const void *)&coordinator, config);

        UNTIL(lease_claim(*ret).over);
        return r;
}

/* Red when the start goes on without worker IDs. */
Test(start, a_claim_refused_at_once_ends_it) {
        static struct config config = { .shm = (char *)"/none/", .state_dir = (char *)"/none" };
        struct reload reload = { .config = &config };
        struct server server;

        cr_expect_eq(server_start(&server, &reload), -EBADMSG);
        server_stop(&server);
        cr_expect_not(server.stuck);
}
