/* SPDX-License-Identifier: MIT */
/*
 * sfshm-stat --top --batch: frames of a real daemon with clients that are known. How fast the
 * machine is decides nothing: what a client has counted bounds its rate.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/capture.h"
#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"

static struct private_daemon d;
static struct tool_result result;

static void begin(void) {
        unsetenv("SFSHM_SOCKET");
        private_daemon_prepare(&d);
        private_daemon_set(&d, "workers.count=2");
}

static void end(void) {
        private_daemon_remove(&d);
}
TestSuite(tool_top, .init = begin, .fini = end, .timeout = 180);

#define TOP(...) \
        tool_run(&result, "SFSHM_STAT_TOOL", \
                 TOOL_ARGUMENTS("--top", "--batch", "--socket", d.socket, __VA_ARGS__), "", 0)

/* ---- clients */

struct taker {
        _Atomic bool attached, go;
};

/* A process of that name, which takes `ids` and waits, or takes without end. */
static struct taker *start_taker(const char *name, uint64_t ids) {
        struct taker *taker = mmap(NULL, sizeof(*taker), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t pid;

        cr_assert_neq(taker, MAP_FAILED);
        pid = fork_bound();
        if (pid == 0) {
                uint64_t id;
                sfshm *s;

                prctl(PR_SET_NAME, name);
                s = private_daemon_open(&d, 0);
                for (uint64_t i = 0; ids == 0 || i < ids; i++) {
                        if (sfshm_next(s, &id) != 0)
                                _exit(1);
                        atomic_store(&taker->attached, true);
                }
                pause();
        }
        UNTIL(atomic_load(&taker->attached));
        return taker;
}

/* The last frame. */
static char *last_frame(void) {
        char *at = result.out, *next;

        while ((next = strstr(at, "\n\nsfshm-stat")) != NULL)
                at = next + 2;
        return at;
}

/* The words of the client's line in a frame, or false. */
static bool find_client(const char *frame, const char *name, char ret[9][64]) {
        char line[512];

        for (const char *at = frame; *at != '\0'; at = strchr(at, '\n') + 1) {
                snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
                if (strstr(line, name) != NULL &&
                    sscanf(line, "%63s %63s %63s %63s %63s %63s %63s %63s %63s", ret[0], ret[1],
                           ret[2], ret[3], ret[4], ret[5], ret[6], ret[7], ret[8]) == 9)
                        return true;
        }
        return false;
}

static size_t count(const char *text, const char *part) {
        size_t n = 0;

        for (; (text = strstr(text, part)) != NULL; text += strlen(part))
                n++;
        return n;
}

static double number(const char *text) {
        char *unit;
        double value = strtod(text, &unit);

        return value * (*unit == 'k' ? 1e3 : *unit == 'M' ? 1e6 : 1);
}

/* ---- frames */

/* Red when a client that takes nothing comes first, or rates are not those of the interval: the
 * busy one cannot take more than two workers yield. */
Test(tool_top, shows_clients_by_rate) {
        char busy[9][64], quiet[9][64], pid[16];
        double rate;

        private_daemon_start(&d);
        start_taker("quiet-one", 100);
        start_taker("busy-one", 0);
        do { /* a slow machine may count nothing in an interval */
                TOP("0.2", "3");
                cr_assert_eq(result.status, 0, "%s", result.err);
                cr_assert_eq(count(result.out, "sfshm-stat  20"), 3);
                cr_assert(find_client(last_frame(), "busy-one", busy), "%s", result.out);
                cr_assert(find_client(last_frame(), "quiet-one", quiet), "%s", result.out);
                rate = strcmp(busy[3], "-") == 0 ? 0 : number(busy[3]);
        } while (rate == 0);
        cr_expect_leq(rate, 2 * 4096000 * 1.1, "%s", busy[3]);
        cr_expect_str_eq(quiet[3], "0");
        /* the last tick of who takes no more is counted with its next call */
        cr_expect_leq(number(quiet[6]), 200);
        cr_expect_lt(strstr(last_frame(), "busy-one"), strstr(last_frame(), "quiet-one"));
        snprintf(pid, sizeof(pid), "pid %d,", (int)d.pid);
        cr_assert_contains(last_frame(), pid);
        cr_assert_contains(last_frame(), "hands out IDs\n");
        cr_assert_contains(last_frame(), "\nworker 0 ");
        cr_assert_contains(last_frame(), "% of 8.19M/s; overflows ");
        cr_assert_contains(last_frame(), "statistics 0.");
        private_daemon_stop(&d);
}

Test(tool_top, the_first_frame_has_no_rates) {
        private_daemon_start(&d);
        start_taker("quiet-one", 100);
        TOP("31536000", "1");
        cr_assert_eq(result.status, 0, "%s", result.err);
        cr_assert_contains(result.out, "\nIDs       -/s of 8.19M/s; ");
        cr_assert_contains(result.out, "         -/s      - [    ");
        private_daemon_stop(&d);
}

/* ---- states */

Test(tool_top, shows_who_was_last_seen_with_a_dead_daemon) {
        char quiet[9][64];

        private_daemon_start(&d);
        start_taker("quiet-one", 100);
        TOP("31536000", "1");
        (void)private_daemon_signal(&d, SIGKILL, true);
        TOP("0.05", "2");
        cr_assert_eq(result.status, 3);
        cr_assert_contains(result.out, "is not running (");
        cr_assert_contains(result.err, "is not running (");
        cr_assert_contains(result.out, "\nclock     unknown\n");
        cr_assert(find_client(last_frame(), "quiet-one", quiet), "%s", result.out);
        cr_assert_str_eq(quiet[3], "-");
}

Test(tool_top, says_that_there_is_no_daemon) {
        TOP("0.01", "3");
        cr_assert_eq(result.status, 3);
        cr_assert_eq(count(result.out, "is not running ("), 3);
        cr_assert_null(strstr(result.out, "PID"));
}

Test(tool_top, says_that_it_does_not_answer) {
        private_daemon_start(&d);
        (void)private_daemon_signal(&d, SIGSTOP, false);
        TOP("0.01", "1");
        cr_assert_eq(result.status, 3);
        cr_assert_contains(result.out, "does not answer (");
        (void)private_daemon_signal(&d, SIGCONT, false);
        private_daemon_stop(&d);
}

/* What was lost may have issued IDs up to the fence. */
Test(tool_top, says_that_it_waits) {
        uint64_t id;

        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        (void)private_daemon_signal(&d, SIGKILL, true);
        private_daemon_lose_segments(&d);
        private_daemon_start(&d);
        do
                TOP("0.01", "1");
        while (strstr(result.out, "waiting: no IDs for now") == NULL);
        cr_assert_eq(result.status, 4);
        cr_assert_contains(result.out, "holds IDs back, for ");
        cr_assert_contains(result.out, " more); offset ");
        cr_assert_contains(result.out, ": IDs up to the fence may exist\n");
        private_daemon_stop(&d);
}

static bool file_has(const char *path, const char *part) {
        static char text[1 << 20];
        FILE *file = fopen(path, "re");

        if (file == NULL)
                return false;
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        (void)fclose(file);
        return strstr(text, part) != NULL;
}

/* One that dies and comes back, while frames go on. */
Test(tool_top, goes_on_over_a_restart) {
        char path[160];
        pid_t pid;

        snprintf(path, sizeof(path), "%s/frames", d.directory);
        private_daemon_start(&d);
        pid = fork_bound();
        if (pid == 0) {
                cr_assert_not_null(freopen(path, "a", stdout));
                execl(getenv("SFSHM_STAT_TOOL"), "sfshm-stat", "--top", "--batch", "--socket",
                      d.socket, "0.05", NULL);
                _exit(127);
        }
        UNTIL(file_has(path, "hands out IDs\n"));
        (void)private_daemon_signal(&d, SIGKILL, true);
        UNTIL(file_has(path, "is not running ("));
        cr_assert_eq(truncate(path, 0), 0);
        private_daemon_start(&d);
        UNTIL(file_has(path, "hands out IDs\n"));
        kill(pid, SIGKILL);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        private_daemon_stop(&d);
        cr_assert_eq(unlink(path), 0);
}

/* ---- the command line */

Test(tool_top, names_bad_arguments) {
        tool_run(&result, "SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--batch"), "", 0);
        cr_assert_eq(result.status, 2);
        cr_assert_contains(result.err, "--batch is for --top");
        TOP("--json");
        cr_assert_eq(result.status, 2);
        cr_assert_contains(result.err, "--top takes only");
        TOP("x");
        cr_assert_eq(result.status, 2);
        cr_assert_contains(result.err, "is not a number of seconds");
}
