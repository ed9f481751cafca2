/* SPDX-License-Identifier: MIT */
/*
 * The real daemon, built with its kill points armed, dies at its 1st, 2nd, 3rd
 * … store of a grant, an extension or a fence raise, under the load of clients
 * which go on through all of it. Red when ledger_grant() writes the client's
 * slot before the journal's, or when ledger_new() forgets what it finds.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"
#include "tests/support/sanitized.h"

TestSuite(U1, .timeout = 240);

static struct private_daemon d;

enum { CLIENTS = 3 };

/* Takes IDs, a few hundred a tick, on handles which it opens anew now and then. */
static void take(struct arena *arena, size_t part, const _Atomic int *stop) {
        sfshm *s = NULL;
        uint64_t id;

        for (unsigned n = 0; !*stop; n++) {
                if (s == NULL && sfshm_open(&s, d.socket, 0) < 0)
                        continue;
                sfshm_set_timeout(s, 2000000);
                if (sfshm_next(s, &id) == 0)
                        arena_add(arena, part, id);
                if (n % 50000 == 49999)
                        s = sfshm_close(s);
        }
        _exit(0);
}

static bool daemon_died(void *context) {
        siginfo_t info = { .si_pid = 0 };

        (void)context;
        return waitid(P_PID, (id_t)d.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid != 0;
}

Test(U1, daemon_killed_at_every_store_under_load) {
        const unsigned points = getenv("SFSHM_LONG") != NULL ? 120 : 60;
        struct arena *arena = arena_new(CLIENTS, 12 << 20);
        _Atomic int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                 -1, 0);

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d); /* so that there is something to recover from the start */
        for (size_t i = 0; i < CLIENTS; i++)
                if (fork_bound() == 0)
                        take(arena, i, stop);
        private_daemon_signal(&d, SIGKILL, true);
        d.binary = getenv("SFSHMD_FAULTS");
        cr_assert_not_null(d.binary);
        for (unsigned at = 1; at <= points; at += sanitized() ? 4 : 1) {
                char text[16];
                int status = 0;

                snprintf(text, sizeof(text), "%u", at);
                setenv("SFSHM_FAULT_AT", text, 1);
                private_daemon_spawn(&d);
                cr_assert(wait_until(daemon_died, NULL, 60000), "store %u was never reached", at);
                cr_assert_eq(waitpid(d.pid, &status, 0), d.pid);
                cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%#x",
                          (unsigned)status);
                d.pid = 0;
        }
        unsetenv("SFSHM_FAULT_AT");
        private_daemon_start(&d);
        *stop = 1;
        for (int i = 0; i < CLIENTS; i++)
                cr_assert_gt(wait(NULL), 0);
        cr_assert_gt(arena_expect_unique(arena), 1000);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}
