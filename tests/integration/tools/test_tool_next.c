/* SPDX-License-Identifier: MIT */
/* The tools with a daemon: IDs, their layout, and what is counted of them. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/tool.h"
#include "tests/support/private_daemon.h"

#define IDS 10000u /* several batches of the tool's */

static struct tool_result result;
static struct private_daemon d;

static void setup(void) {
        private_daemon_prepare(&d);
        private_daemon_set(&d, "workers.first=6");
        private_daemon_set(&d, "workers.count=2");
        private_daemon_start(&d);
        setenv("SFSHM_SOCKET", d.socket, 1);
}
static void cleanup(void) {
        private_daemon_remove(&d);
}
TestSuite(tools, .init = setup, .fini = cleanup);

static void run(const char *variable, const char *const arguments[]) {
        tool_run(&result, variable, arguments, "", 0);
}

static void expect(int status, const char *part) {
        cr_assert_eq(result.status, status, "status %d: %s", result.status, result.err);
        cr_assert(strstr(result.out, part) || strstr(result.err, part), "'%s' is not in: %s%s",
                  part, result.out, result.err);
}

/* red when command_next.c prints a chunk twice or one ID too few */
Test(tools, next_prints_increasing_ids) {
        uint64_t last = 0, n = 0;

        run("SFSHM_TOOL", TOOL_ARGUMENTS("next", "-n", "10000"));
        cr_assert_eq(result.status, 0, "%s", result.err);
        for (char *line = strtok(result.out, "\n"); line; line = strtok(NULL, "\n"), n++) {
                uint64_t id = strtoull(line, NULL, 10), worker = id >> 12 & 1023;

                cr_assert_gt(id, last, "line %" PRIu64, n + 1);
                cr_assert(worker == 6 || worker == 7);
                last = id;
        }
        cr_assert_eq(n, IDS);
}

/* The layout comes from the daemon; red when it is the default's. */
Test(tools, decode_asks_the_daemon_for_the_layout) {
        private_daemon_remove(&d);
        private_daemon_prepare(&d);
        private_daemon_set(&d, "id.layout=41/12/10");
        private_daemon_set(&d, "id.epoch=2026-01-01T00:00:00.657Z");
        private_daemon_start(&d);
        setenv("SFSHM_SOCKET", d.socket, 1);
        run("SFSHM_TOOL", TOOL_ARGUMENTS("decode", "--json", "1025"));
        expect(0, "\"time\":\"2026-01-01T00:00:00.657Z\"");
        expect(0, "\"worker\":1,\"sequence\":1");
        run("SFSHM_TOOL", TOOL_ARGUMENTS("first", "2026-01-01T00:00:00.658Z"));
        expect(0, "4194304\n");
}

Test(tools, next_prints_json) {
        run("SFSHM_TOOL", TOOL_ARGUMENTS("next", "--json", "--parallel"));
        cr_assert_eq(result.status, 0, "%s", result.err);
        cr_assert_eq(strncmp(result.out, "{\"id\":\"", 7), 0, "%s", result.out);
        expect(0, "\"region\":0,\"worker\":");
}

/* What a client took is counted, also once it is gone; red when next takes
 * more than it prints. */
Test(tools, stat_counts_every_id) {
        char expected[64];

        run("SFSHM_TOOL", TOOL_ARGUMENTS("next", "-n", "10000"));
        cr_assert_eq(result.status, 0, "%s", result.err);
        snprintf(expected, sizeof(expected), "IDs        %u\n", IDS);
        for (int tries = 0; tries < 1000; tries++) { /* until the daemon saw the client go */
                run("SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--socket", d.socket));
                cr_assert_eq(result.status, 0, "%s", result.err);
                if (strstr(result.out, "clients    0 with"))
                        break;
        }
        expect(0, expected);
        expect(0, "2 from 6");
}

/* An idle daemon rewrites its statistics when asked only; red without REFRESH. */
Test(tools, stat_asks_for_a_fresh_snapshot) {
        for (int tries = 0; tries < 100; tries++) { /* a slow daemon may miss some */
                run("SFSHM_STAT_TOOL",
                    TOOL_ARGUMENTS("--socket", d.socket, "--json", "0.05", "2"));
                cr_assert_eq(result.status, 0, "%s", result.err);
                if (strstr(result.out, "\"interval_s\":0."))
                        break;
        }
        expect(0, "\"state\":\"idle\"");
        expect(0, "\"interval_s\":0.");
}

static void run_workers(const char *option) {
        tool_run_with(&result, &d, (const char *const[]){ "workers", option, NULL });
}

/* Without a coordinator, `sfshm workers` shows the run, the fence and the daemon of this host.
 * Red when a daemon of other worker IDs is taken for it. */
Test(tools, workers_shows_the_own_run) {
        char expected[160];

        run_workers(NULL);
        expect(0, "region 0: worker IDs 6-7 by configuration");
        snprintf(expected, sizeof(expected), "\n6-7      held     %7d  %7u  20", d.pid, d.uid);
        expect(0, expected);
        run_workers("--json");
        snprintf(expected, sizeof(expected), "\"state\":\"held\",\"pid\":%d,\"uid\":%u,"
                 "\"fence_tick\":", d.pid, d.uid);
        expect(0, "\"workers\":\"6-7\",\"first_in_id\":6,");
        expect(0, expected);
        private_daemon_set(&d, "workers.first=8");
        run_workers("--json");
        expect(0, "\"state\":\"unused\",\"pid\":null,\"uid\":null,\"fence_tick\":");
        d.n_sets--;
        private_daemon_stop(&d);
        run_workers(NULL);
        expect(0, "\n6-7      unused         -        -  20");
        run_workers("--all-regions");
        expect(1, "workers.backend = local has no coordinator");
}

/* The range is shown in any case; a warning says what is wrong with the fence. */
Test(tools, workers_says_why_there_is_no_fence) {
        char path[160];
        FILE *file;

        private_daemon_stop(&d);
        snprintf(path, sizeof(path), "%s/fence", d.state);
        file = fopen(path, "we");
        cr_assert_not_null(file);
        fputs("x\n", file);
        fclose(file);
        run_workers("--json");
        expect(0, "is damaged: sfshmd will not start before 'sfshm fence --above'");
        expect(0, "\"workers\":\"6-7\",");
        expect(0, "\"fence_tick\":null,\"fence\":null,\"fence_ahead_ms\":null}");
        cr_assert_eq(unlink(path), 0);
        run_workers(NULL);
        expect(0, "has no fence: no daemon ever served with it");
        expect(0, "\n6-7      unused         -        -  -  ");
}

/* Nobody is asked: the kernel wrote it into the clock. */
Test(tools, stat_sees_that_the_daemon_was_killed) {
        run("SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--socket", d.socket, "--json"));
        cr_assert_eq(result.status, 0, "%s", result.err);
        private_daemon_signal(&d, SIGKILL, true);
        run("SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--socket", d.socket, "--json"));
        expect(3, "its ticker died");
        expect(3, "\"state\":\"dead\"");
        run("SFSHM_TOOL", TOOL_ARGUMENTS("next"));
        expect(3, "cannot attach to sfshmd");
}
