/* SPDX-License-Identifier: MIT */
/* The backend of all coordinators: what it keeps in the state directory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/lease/fleet/backend.h"
#include "daemon/lease/lease.h"
#include "tests/support/capture.h"
#include "tests/support/memory_coordinator.h"
#include "tests/support/until.h"
#include "tests/unit/support/state_fixture.h"

#define UID 65534u /* root may write everywhere */

static struct memory_coordinator memory;
static struct memory_host way = { .memory = &memory };
static mode_t mode; /* of the state directory, as soon as it is open */

static int connect_memory(const struct config *config, struct lease_counters *counters,
                          struct fleet_connection *ret) {
        (void)counters;
        *ret = (struct fleet_connection){ &memory_calls, &way, INT64_C(30000000000),
                                          strdup("memory") };
        cr_assert_eq(chmod(config->state_dir, mode), 0);
        return 0;
}

static void disconnect_memory(struct fleet_connection *connection) {
        free(connection->place);
}

static const struct fleet_kind kind = {
        .name = "memory",
        .claim_event = &EVENT_ETCD_CLAIM,
        .access_event = &EVENT_ETCD_ACCESS,
        .access_remedy = "?",
        .remedy = "?",
        .connect = connect_memory,
        .disconnect = disconnect_memory,
};

static void set_up(void) {
        state_fixture_begin();
        state_fixture.config.shm = (char *)"/sfshm-none";
        memory_begin_space(&memory, &state_fixture.config.layout, 0);
        if (geteuid() == 0) {
                cr_assert_eq(chown(state_fixture.base, UID, (gid_t)-1), 0);
                cr_assert_eq(seteuid(UID), 0);
        }
}

static void tear_down(void) {
        if (getuid() == 0)
                cr_assert_eq(seteuid(0), 0);
        memory_end(&memory);
        state_fixture_end();
}

TestSuite(fleet_backend, .init = set_up, .fini = tear_down);

/* Its errors have numbers that a coordinator's have as well, and waiting for that helps nothing.
 * Red when the claim goes on, as if access to the coordinator were denied. */
Test(fleet_backend, a_state_directory_that_takes_nothing_ends_the_claim) {
        struct lease *lease = NULL;

        capture_begin();
        mode = 0500;
        cr_assert_eq(lease_new(&lease, &fleet_backend, &kind, &state_fixture.config), 0);
        UNTIL(lease_claim(lease).error != 0);
        cr_expect(lease_claim(lease).over);
        cr_expect_eq(lease_claim(lease).error, -EPERM);
        cr_assert(lease_give_up(lease));
        cr_assert_contains(capture_take(), "/fleet: Permission denied; make room or repair");
}
