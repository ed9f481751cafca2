/* SPDX-License-Identifier: MIT */
/*
 * A daemon that waits for its worker IDs, because none are free or the coordinator is away,
 * denies access or hangs: it says so to all who ask, and stops when it is told to. Built once
 * for each coordinator.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/support/daemon_log.h"
#include "tests/support/coordinator.h"
#include "tests/support/notify_socket.h"
#include "tests/support/relay.h"
#include "tests/support/tool.h"

TestSuite(lobby, .timeout = 200);

static const struct test_coordinator *const coordinator = &SFSHM_TEST_COORDINATOR;
static struct private_daemon a, b;
static struct tool_result result;

static void prepare(struct private_daemon *d) {
        private_daemon_prepare(d);
        coordinator->configure(d);
        private_daemon_set(d, "id.layout=41/1/21");
        private_daemon_set(d, "id.region_bits=1");
}

#define STAT(...) tool_run(&result, "SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--socket", b.socket, __VA_ARGS__), "", 0)
#define TOOL(...) tool_run(&result, "SFSHM_TOOL", TOOL_ARGUMENTS("--socket", b.socket, __VA_ARGS__), "", 0)

static bool waits(void *context) {
        STAT("--check");
        return strstr(result.out, context) != NULL;
}

static void expect_waiting(const char *why) {
        cr_assert(wait_until(waits, (void *)(uintptr_t)why, 60000), "%s%s", result.out, result.err);
        cr_expect_eq(result.status, 1, "a warning: %s", result.out);
        cr_expect_not_null(strstr(result.out, "holds IDs back"), "%s", result.out);
        STAT("--json");
        cr_expect_eq(result.status, 4, "%s%s", result.out, result.err);
        cr_expect_not_null(strstr(result.out, "\"state\":\"waiting\""), "%s", result.out);
        STAT("--prometheus");
        cr_expect_not_null(strstr(result.out, "\nsfshm_state{state=\"waiting\"} 1\n"), "%s", result.out);
        TOOL("clock");
        cr_expect_eq(result.status, 4, "%s%s", result.out, result.err);
        cr_expect_not_null(strstr(result.out, why), "%s", result.out);
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

static void expect_told(int fd, const char *part) {
        struct told told = { fd, part };

        cr_assert(wait_until(is_told, &told, 60000), "the service manager does not hear %s", part);
}

static bool stands_in_log(void *context) {
        return log_says(context, "event=start)");
}

/* Red when a start without worker IDs ends, or answers nobody. */
Test(lobby, none_are_free) {
        int manager;

        coordinator->begin();
        prepare(&a);
        prepare(&b);
        private_daemon_set(&a, "workers.recycle_delay=0");
        private_daemon_set(&b, "workers.recycle_delay=0");
        private_daemon_start(&a);
        manager = notify_socket_new();
        private_daemon_spawn(&b);
        expect_told(manager, "READY=1\nSTATUS=Waits for worker IDs: none are free");
        expect_waiting("none are free");
        TOOL("next");
        cr_expect_eq(result.status, 4, "%s%s", result.out, result.err);
        cr_expect_not_null(strstr(result.err, "waits for worker IDs: none are free"), "%s",
                           result.err);
        private_daemon_stop(&a);
        cr_assert(wait_until(stands_in_log, &b, 120000), "it never takes what is free again");
        STAT("--check");
        cr_expect_eq(result.status, 0, "%s", result.out);
        private_daemon_stop(&b);
        private_daemon_remove(&a);
        private_daemon_remove(&b);
        coordinator->end();
        close(manager);
}

/* A coordinator that hangs delays neither an answer nor the end. */
Test(lobby, it_hangs) {
        struct relay *relay;
        char place[192];

        coordinator->begin();
        prepare(&b);
        private_daemon_begin_space(&b); /* later it would wait for its time-out, 100 s */
        relay = relay_new(coordinator->url(), RELAY_HANG);
        coordinator->setting_at(relay_url(relay), place);
        private_daemon_set(&b, "%s", place);
        private_daemon_set(&b, "%s.ttl=10min", coordinator->name);
        private_daemon_spawn(&b);
        expect_waiting("does not answer");
        private_daemon_stop(&b);
        relay_free(relay);
        private_daemon_remove(&b);
        coordinator->end();
}
