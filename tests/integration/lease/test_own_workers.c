/* SPDX-License-Identifier: MIT */
/* Which worker IDs a host takes that had some: its own first. Built once for each coordinator. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm/ledger.h"
#include "tests/integration/support/daemon_log.h"
#include "tests/support/coordinator.h"

TestSuite(own_workers, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon a, b;

/* Two worker IDs in the region, which rest for ten minutes after a fence far ahead: who takes
 * others than its own is not served within the test. */
static void prepare(struct private_daemon *d) {
        static const char *const sets[] = { "id.layout=41/2/20", "id.region_bits=1",
                                            "reserve.standing=1s", "workers.horizon=10min" };

        private_daemon_prepare(d);
        coordinator->configure(d);
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
                private_daemon_set(d, "%s", sets[i]);
}

static uint64_t next(const struct private_daemon *d) {
        uint64_t id = 0;

        cr_assert_eq(private_daemon_next(d, &id), 0);
        return id;
}

/* The figures of docs/fleet.md: a client without a reservation, from the signal on. */
static void tell(const char *what, int64_t begun_ns) {
        fprintf(stderr, "%s, %s: %lld ms without an ID\n", coordinator->name, what,
                (long long)(test_monotonic_ns() - begun_ns) / 1000000);
}

static void restart(struct private_daemon *d, int signal, unsigned count) {
        uint64_t before = next(d);
        int64_t begun_ns = test_monotonic_ns();

        if (signal == SIGTERM)
                private_daemon_stop(d);
        else
                (void)private_daemon_signal(d, signal, true);
        private_daemon_set(d, "workers.count=%u", count);
        private_daemon_start(d);
        cr_assert_gt(next(d), before);
        tell(count == 1 ? "workers.count 2 to 1" : "workers.count 1 to 2", begun_ns);
}

static void change_count(int signal) {
        coordinator->begin();
        prepare(&a);
        private_daemon_set(&a, "workers.count=2");
        private_daemon_start(&a);
        restart(&a, signal, 1);
        /* what it gave back may have been used up to the fence, and rests */
        prepare(&b);
        private_daemon_spawn(&b);
        wait_for_log(&b, "event=workers-none");
        (void)private_daemon_signal(&b, SIGTERM, true);
        restart(&a, signal, 2);
        private_daemon_stop(&a);
        private_daemon_remove(&a);
        private_daemon_remove(&b);
        coordinator->end();
}

/* Its ledger is damaged, or another version's: what clients hold of the own worker ID is not
 * known. There are others, whose IDs nobody has. Red when any ledger that is there counts. */
Test(own_workers, others_when_the_ledger_cannot_be_adopted) {
        static const char *const damages[] = { "XXXXXXXX", LEDGER_MAGIC "\x7f" };
        char path[160];

        coordinator->begin();
        prepare(&a);
        private_daemon_set(&a, "id.layout=41/4/18");
        private_daemon_start(&a);
        snprintf(path, sizeof(path), "/dev/shm%s.ledger", a.shm);
        for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
                uint64_t before = next(&a);
                int64_t begun_ns = test_monotonic_ns();
                int fd;

                (void)private_daemon_signal(&a, SIGKILL, true);
                fd = open(path, O_WRONLY | O_CLOEXEC);
                cr_assert_eq(pwrite(fd, damages[i], strlen(damages[i]), 0),
                             (ssize_t)strlen(damages[i]));
                close(fd);
                private_daemon_start(&a);
                cr_assert_neq(next(&a) >> 18 & 15, before >> 18 & 15, "the fence is far ahead");
                tell("a ledger that cannot be adopted", begun_ns);
        }
        private_daemon_stop(&a);
        private_daemon_remove(&a);
        coordinator->end();
}

/* Red, both, when the own run must be of the configured length: no worker IDs for ten minutes. */
Test(own_workers, another_count_in_a_full_region) {
        change_count(SIGTERM);
}

Test(own_workers, another_count_after_a_kill) {
        change_count(SIGKILL);
}
