/* SPDX-License-Identifier: MIT */
/* sfshm-stat --top on a pseudo-terminal: keys, sizes, and the terminal as before at the end. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/capture.h"
#include "tests/support/private_daemon.h"
#include "tests/support/terminal.h"
#include "tests/support/tool.h"

static struct private_daemon d;
static struct tool_result result;
static struct terminal terminal;
static sfshm *client;

static void begin(void) {
        unsetenv("SFSHM_SOCKET");
        tool_run(&result, "SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--top"), "", 0);
        if (strstr(result.err, "no screen") != NULL)
                cr_skip_test("built without ncurses");
        terminal.fd = terminal.slave = -1;
        private_daemon_prepare(&d);
}

static void end(void) {
        terminal_close(&terminal);
        sfshm_close(client);
        private_daemon_remove(&d);
}
TestSuite(top_screen, .init = begin, .fini = end, .timeout = 180);

#define START(term, ...) \
        terminal_run(&terminal, term, getenv("SFSHM_STAT_TOOL"), \
                     TOOL_ARGUMENTS("sfshm-stat", "--top", "--socket", d.socket, __VA_ARGS__))

static bool shows(const char *part) {
        return strstr(terminal_text(&terminal), part) != NULL;
}

static void type(const char *keys) {
        terminal_type(&terminal, keys);
}

static int end_status(void) {
        int status;

        UNTIL(terminal_has_ended(&terminal, &status));
        return status;
}

static void expect_quits(void) {
        int status;

        UNTIL(shows("hands out IDs"));
        type("q");
        status = end_status();
        cr_assert(terminal_is_restored(&terminal));
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d: %s", status, terminal.text);
}

static void start_daemon(void) {
        uint64_t id;

        private_daemon_start(&d);
        prctl(PR_SET_NAME, "quiet-one");
        client = private_daemon_open(&d, 0);
        cr_assert_eq(sfshm_next(client, &id), 0);
}

/* ---- */

Test(top_screen, shows_a_daemon) {
        start_daemon();
        START("xterm", "0.1");
        UNTIL(shows("hands out IDs\n") && shows("  quiet-one\n") && shows("\nworker 0 "));
        UNTIL(shows("% of 4.10M/s; overflows 0/s, mean wait 0us\n"));
        UNTIL(shows("/ search\n") && shows(", every 0.1 s, by rate\n"));
        cr_assert(terminal.other_screen && terminal.cursor_hidden);
        expect_quits();
        private_daemon_stop(&d);
}

Test(top_screen, takes_keys) {
        start_daemon();
        START("xterm", "0.1");
        UNTIL(shows("  COMMAND\n"));
        type("c");
        UNTIL(shows("  CGROUP\n"));
        type("cT");
        UNTIL(shows("  COMMAND\n") && shows("by total\n"));
        type("W");
        UNTIL(shows("by waits\n"));
        type("s0.2\r");
        UNTIL(shows("every 0.2 s"));
        type("sno");
        UNTIL(shows("seconds between samples: no_\n"));
        type("\r");
        UNTIL(shows("that is not a number of seconds"));
        type("/two-o\177ne\r");
        UNTIL(shows("with \"two-ne\"\n") && !shows("quiet-one"));
        type("/iet-o\r");
        UNTIL(shows("with \"iet-o\"\n") && shows("quiet-one"));
        type("/\rh");
        UNTIL(shows("sort by the time that calls waited\n") && !shows("quiet-one"));
        type("h1p");
        UNTIL(shows("PAUSED\n") && shows("quiet-one") && !shows("worker 0 "));
        expect_quits();
        private_daemon_stop(&d);
}

Test(top_screen, filters_by_user) {
        char keys[32], title[32];

        start_daemon();
        START("xterm", "0.1");
        snprintf(keys, sizeof(keys), "u%u\r", geteuid());
        snprintf(title, sizeof(title), ", user %u\n", geteuid());
        type(keys);
        UNTIL(shows(title) && shows("quiet-one"));
        type("u4000000000\r");
        UNTIL(shows(", user 4000000000\n") && !shows("quiet-one"));
        expect_quits();
        private_daemon_stop(&d);
}

/* Arrows and pages, in the sequences of an xterm. Those without an ID follow in the order in which
 * they came. */
Test(top_screen, scrolls) {
        sfshm *more[30];

        start_daemon();
        for (unsigned i = 0; i < 30; i++) {
                char name[16];

                snprintf(name, sizeof(name), "client-%u", i % 100);
                prctl(PR_SET_NAME, name);
                more[i] = private_daemon_open(&d, 0);
        }
        START("xterm", "0.1");
        UNTIL(shows("  quiet-one\n") && shows("  client-0\n") && !shows("  client-29\n"));
        type("\033OB");
        UNTIL(!shows("  quiet-one\n") && shows("  client-0\n"));
        type("\033OA");
        UNTIL(shows("  quiet-one\n"));
        type("\033[6~");
        UNTIL(!shows("  client-0\n"));
        type("\033[6~\033[6~\033[6~");
        UNTIL(shows("  client-29\n"));
        type("\033OH");
        UNTIL(shows("  quiet-one\n"));
        type("\033OF");
        UNTIL(shows("  client-29\n"));
        type("\033[5~\033[5~\033[5~");
        UNTIL(shows("  quiet-one\n"));
        expect_quits();
        for (size_t i = 0; i < 30; i++)
                sfshm_close(more[i]);
        private_daemon_stop(&d);
}

/* Red without SIGWINCH: the last row is then below the terminal, or in its middle. */
Test(top_screen, follows_the_size) {
        static const unsigned sizes[][2] = { { 50, 150 }, { 12, 40 }, { 1, 10 }, { 24, 80 } };

        start_daemon();
        START("xterm", "0.1");
        UNTIL(shows("/ search\n"));
        for (size_t i = 0; i < 4; i++) {
                char last[80];

                terminal_resize(&terminal, sizes[i][0], sizes[i][1]);
                snprintf(last, sizeof(last), "%.*s", (int)sizes[i][1],
                         "h help  q quit  p pause  R rate  W waits  T total  c cgroup  u user  / "
                         "search");
                UNTIL(shows("h help") &&
                      strncmp(terminal.cells[sizes[i][0] - 1], last, strlen(last)) == 0 &&
                      (sizes[i][0] == 1 || memcmp(terminal.cells[0], "sfshm-stat", 10) == 0));
        }
        expect_quits();
        private_daemon_stop(&d);
}

/* Red when one of these is not caught: the shell is then left without echo. */
Test(top_screen, restores_the_terminal_at_a_signal) {
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };

        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
                int status;

                START("xterm", "0.1");
                UNTIL(shows("is not running ("));
                cr_assert(!terminal_is_restored(&terminal));
                kill(terminal.pid, signals[i]);
                status = end_status();
                cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == signals[i], "%d: %d",
                          signals[i], status);
                cr_assert(terminal_is_restored(&terminal));
                terminal_close(&terminal);
        }
}

Test(top_screen, ends_with_the_terminal) {
        START("xterm", "0.1");
        UNTIL(shows("is not running ("));
        terminal_close(&terminal);
        (void)end_status();
}

Test(top_screen, ends_after_count_samples) {
        int status;

        START("xterm", "0.01", "3");
        status = end_status();
        cr_assert(terminal_is_restored(&terminal));
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3, "%d", status);
        cr_assert(shows("sfshm-stat: sfshmd at "), "%s", terminal.text);
}

Test(top_screen, goes_on_while_the_daemon_is_dead) {
        start_daemon();
        START("xterm", "0.1");
        UNTIL(shows("hands out IDs"));
        (void)private_daemon_signal(&d, SIGKILL, true);
        UNTIL(shows("is not running (") && shows("quiet-one"));
        private_daemon_start(&d);
        expect_quits();
        private_daemon_stop(&d);
}

/* Red when the keys wait for the daemon's answer for ever; a sample takes two seconds here. */
Test(top_screen, goes_on_while_the_daemon_hangs) {
        start_daemon();
        START("xterm", "0.1");
        UNTIL(shows("hands out IDs"));
        (void)private_daemon_signal(&d, SIGSTOP, false);
        UNTIL(shows("does not answer ("));
        type("h");
        UNTIL(shows("sort by the time that calls waited"));
        (void)private_daemon_signal(&d, SIGCONT, false);
        UNTIL(shows("hands out IDs"));
        type("h");
        expect_quits();
        private_daemon_stop(&d);
}

Test(top_screen, refuses_what_it_cannot_draw_on) {
        static const char *const terms[][2] = { { "dumb", "cannot place its cursor" },
                                                { "no-such", "is not known" } };

        for (size_t i = 0; i < 2; i++) {
                int status;

                START(terms[i][0], "0.1");
                status = end_status();
                cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
                cr_assert(shows(terms[i][1]), "%s", terminal.text);
                cr_assert(terminal_is_restored(&terminal));
                terminal_close(&terminal);
        }
        cr_assert_eq(result.status, 2);
        cr_assert_contains(result.err, "--top needs a terminal: use --batch without one");
}
