/* SPDX-License-Identifier: MIT */
/* How a start goes on from the claim of the worker IDs. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lease/backends.h"
#include "daemon/server/start.h"
#include "tests/support/capture.h"
#include "tests/support/notify_socket.h"
#include "tests/support/until.h"
#include "tests/unit/support/config_fixture.h"

/* A coordinator that refuses. */
static char coordinator;
static int refusal;

static int mock_open(void **ret_backend, const struct fleet_kind *kind,
                     const struct config *unused) {
        (void)kind, (void)unused;
        *ret_backend = &coordinator;
        return 0;
}
static int mock_claim(void *backend, struct lease_grant *ret) {
        (void)backend;
        *ret = (struct lease_grant){ .worker_count = 1 };
        return refusal;
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

        UNTIL(lease_claim(*ret).error == refusal);
        return r;
}

/* Red when the start goes on without worker IDs. */
Test(start, a_claim_refused_at_once_ends_it) {
        static struct config config = { .shm = (char *)"/none/", .state_dir = (char *)"/none" };
        struct reload reload = { .config = &config };
        struct server server;

        refusal = -EBADMSG;
        cr_expect_eq(server_start(&server, &reload), -EBADMSG);
        server_stop(&server);
        cr_expect_not(server.stuck);
}

/* ---- a daemon that waits */

static struct server waiting;

static void *start_waiting(void *reload) {
        return (void *)(intptr_t)server_start(&waiting, reload);
}

struct told {
        int fd;
        const char *part;
};

static bool is_told(void *context) {
        const struct told *told = context;
        char text[512];

        while (notify_socket_next(told->fd, text, sizeof(text)))
                if (strstr(text, told->part) != NULL)
                        return true;
        return false;
}

static void expect_told(int manager, const char *part) {
        struct told told = { manager, part };

        cr_assert(wait_until(is_told, &told, 60000), "the service manager does not hear %s", part);
}

static void reload_with(const char *text) {
        config_fixture_write("sfshmd.conf", text);
        cr_assert_eq(kill(getpid(), SIGHUP), 0);
}

static void block_signals(void) {
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGHUP);
        sigaddset(&signals, SIGTERM);
        cr_assert_eq(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);
}

static char socket_setting[128];
static char *sets[] = { socket_setting, NULL };
static struct reload waiting_reload = { .sets = sets };
static pthread_t waiting_thread;
static int manager;

static void begin_waiting(int error) {
        struct config *config;

        capture_begin();
        config_fixture_begin();
        snprintf(socket_setting, sizeof(socket_setting), "daemon.socket=%s/socket",
                 config_fixture.directory);
        config = config_fixture_load(FIRST, sets);
        waiting_reload.config = config;
        waiting_reload.path = config_fixture.path;
        block_signals();
        manager = notify_socket_new();
        refusal = error;
        cr_assert_eq(pthread_create(&waiting_thread, NULL, start_waiting, &waiting_reload), 0);
}

static void end_waiting(void) {
        void *ended;

        cr_assert_eq(kill(getpid(), SIGTERM), 0);
        cr_assert_eq(pthread_join(waiting_thread, &ended), 0);
        cr_expect_eq((int)(intptr_t)ended, -ECANCELED);
        server_stop(&waiting);
        cr_expect_not(waiting.stuck);
        close(manager);
        config_free(waiting_reload.config);
        config_fixture_end();
}

/* Red when a reload leaves the service manager with a status that says nothing of the wait. */
Test(start, what_it_waits_for_is_told_again_after_a_reload) {
        begin_waiting(-EBUSY);
        expect_told(manager, "STATUS=Waits for worker IDs: none are free");
        reload_with("nonsense");
        expect_told(manager, "The new configuration was refused");
        reload_with(FIRST);
        expect_told(manager, "STATUS=Waits for worker IDs: none are free");
        end_waiting();
}

/* Red when a coordinator that answers with conflicts counts as one that does not answer. */
Test(start, conflicts_alone_are_told_as_such) {
        begin_waiting(-EAGAIN);
        expect_told(manager, "STATUS=Waits for worker IDs: other hosts were faster");
        end_waiting();
}
