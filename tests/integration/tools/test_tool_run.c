/* SPDX-License-Identifier: MIT */
/* sfshm run: the command, its exit status and its signals; and that nothing stays. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/tool.h"

TestSuite(tool_run, .timeout = 120);

static struct tool_result result;

/* sfshm run [--workers WORKERS] -- sh -c SCRIPT; in the script, $SFSHM_TOOL is sfshm. */
static int run_script(const char *workers, const char *script, const char *input) {
        tool_run(&result, "SFSHM_TOOL",
                 TOOL_ARGUMENTS("run", "--workers", workers, "--", "sh", "-c", script), input,
                 strlen(input));
        return result.status;
}

#define HAS(text, part) \
        cr_assert_not_null(strstr(text, part), "'%s' is not in: %s%s", part, result.out, result.err)

static void expect_gone(const char *socket) {
        char directory[256];
        char *slash;

        snprintf(directory, sizeof(directory), "%s", socket);
        slash = strrchr(directory, '/');
        cr_assert_not_null(slash, "no socket in: %s%s", result.out, result.err);
        *slash = '\0';
        cr_assert_eq(strncmp(directory, "/dev/shm/sfshm-run-", 19), 0, "%s", directory);
        UNTIL(access(directory, F_OK) < 0 && errno == ENOENT);
}

Test(tool_run, a_daemon_for_one_command) {
        cr_assert_eq(run_script("1", "printf $SFSHM_SOCKET; $SFSHM_TOOL next -n 3 >&2", ""), 0,
                     "%s", result.err);
        cr_expect_eq(strlen(result.err), 3 * 19, "three IDs: %s", result.err);
        expect_gone(result.out);
}

/* As env(1), timeout(1) and a shell do it. */
Test(tool_run, the_exit_status_is_the_commands) {
        cr_expect_eq(run_script("1", "exit 7", ""), 7);
        cr_expect_eq(run_script("1", "kill -USR1 $$", ""), 128 + SIGUSR1);
        cr_expect_eq(run_script("1", "kill -KILL $$", ""), 128 + SIGKILL);
        tool_run(&result, "SFSHM_TOOL", TOOL_ARGUMENTS("run", "--", "/nowhere/command"), "", 0);
        cr_expect_eq(result.status, 127);
        HAS(result.err, "cannot run /nowhere/command: No such file");
        tool_run(&result, "SFSHM_TOOL", TOOL_ARGUMENTS("run", "--", "/dev/null"), "", 0);
        cr_expect_eq(result.status, 126);
}

Test(tool_run, usage) {
        tool_run(&result, "SFSHM_TOOL", TOOL_ARGUMENTS("run"), "", 0);
        cr_expect_eq(result.status, 2);
        HAS(result.err, "'run' needs a command");
        cr_expect_eq(run_script("0", "true", ""), 2);
        cr_expect_eq(run_script("1025", "true", ""), 2);
        tool_run(&result, "SFSHM_TOOL", TOOL_ARGUMENTS("next", "--workers", "2"), "", 0);
        cr_expect_eq(result.status, 2);
        HAS(result.err, "'next' takes no --workers");
}

/* Options behind -- are the command's. */
Test(tool_run, arguments_and_standard_input) {
        tool_run(&result, "SFSHM_TOOL",
                 TOOL_ARGUMENTS("run", "--", "sh", "-c", "cat; echo $*", "-n", "--json", "--", "-x"),
                 "in\n", 3);
        cr_expect_eq(result.status, 0);
        cr_expect_str_eq(result.out, "in\n--json -- -x\n");
}

Test(tool_run, worker_ids) {
        cr_assert_eq(run_script("4", "cat ${SFSHM_SOCKET%/*}/log", ""), 0);
        HAS(result.out, "serves workers 0 to 3 ");
}

/* Each in a space of its own, so that they do not refuse each other. */
Test(tool_run, one_within_the_other) {
        cr_assert_eq(run_script("1", "outer=$SFSHM_SOCKET; $SFSHM_TOOL run -- sh -c "
                                "\"test \\$SFSHM_SOCKET != $outer && $SFSHM_TOOL next && exit 9\"", ""),
                     9, "%s", result.err);
}

Test(tool_run, a_daemon_that_does_not_start) {
        setenv("SHELL", "/bin/sh", 1);
        tool_run(&result, "SHELL",
                 TOOL_ARGUMENTS("-c", "ulimit -n 9; exec $SFSHM_TOOL run -- echo started"), "", 0);
        cr_assert_eq(result.status, 1);
        HAS(result.err, "sfshmd does not start; its log is above");
        HAS(result.err, "Too many open files");
        cr_expect_str_eq(result.out, "");
}

/* ---- signals */

struct running {
        pid_t pid;
        int out;
        char socket[256];
};

/* The script prints a line when it is ready: its socket. */
static struct running start(const char *script) {
        struct running r = { .out = -1 };
        int out[2];
        size_t n = 0;

        cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
        r.pid = fork_bound();
        if (r.pid == 0) {
                /* a shell cannot trap what it found ignored, as below nohup */
                for (int number = 1; number < SIGRTMIN; number++)
                        (void)signal(number, SIG_DFL);
                dup2(out[1], STDOUT_FILENO);
                execl(getenv("SFSHM_TOOL"), "sfshm", "run", "--", "sh", "-c", script, (char *)NULL);
                _exit(99);
        }
        close(out[1]);
        r.out = out[0];
        while (n < sizeof(r.socket) - 1 && read(r.out, r.socket + n, 1) == 1 && r.socket[n] != '\n')
                n++;
        r.socket[n] = '\0';
        return r;
}

/* Its exit status; 128 + signal. */
static int end(const struct running *r) {
        int status = 0;

        cr_assert_eq(waitpid(r->pid, &status, 0), r->pid);
        close(r->out);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define SLEEP "echo $SFSHM_SOCKET; while :; do sleep 0.05; done"

Test(tool_run, signals_are_passed_on) {
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
                struct running r = start("trap 'exit 5' TERM INT HUP QUIT USR1 USR2; " SLEEP);

                kill(r.pid, signals[i]);
                cr_expect_eq(end(&r), 5, "signal %d", signals[i]);
                expect_gone(r.socket);
        }
}

Test(tool_run, a_command_that_a_signal_ends) {
        struct running r = start(SLEEP);

        kill(r.pid, SIGTERM);
        cr_expect_eq(end(&r), 128 + SIGTERM);
        expect_gone(r.socket);
}

static bool is_closed(void *out) {
        char bytes[64];
        ssize_t n = read(*(int *)out, bytes, sizeof(bytes));

        return n == 0;
}

/* Red when the keeper has an end of the pipe that it waits for, or the command goes on. */
Test(tool_run, it_is_killed) {
        struct running r = start(SLEEP);

        kill(r.pid, SIGKILL);
        cr_assert_eq(fcntl(r.out, F_SETFL, O_NONBLOCK), 0);
        cr_expect(wait_until(is_closed, &r.out, 30000), "the command goes on");
        expect_gone(r.socket);
        cr_expect_eq(end(&r), 128 + SIGKILL);
}

static pid_t parent_of(pid_t pid, char ret_name[32]) {
        char path[64];
        int parent = 0;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        file = fopen(path, "re");
        if (file == NULL || fscanf(file, "%*d (%31[^)]) %*c %d", ret_name, &parent) != 2)
                parent = 0;
        if (file != NULL)
                fclose(file);
        return (pid_t)parent;
}

/* The child of that name. */
static pid_t child_of(pid_t pid, const char *name) {
        DIR *list = opendir("/proc");
        const struct dirent *entry;
        pid_t found = 0;

        while (list != NULL && (entry = readdir(list)) != NULL) {
                char comm[32] = "";
                pid_t other = (pid_t)atoi(entry->d_name);

                if (other > 0 && parent_of(other, comm) == pid && strcmp(comm, name) == 0)
                        found = other;
        }
        closedir(list);
        return found;
}

Test(tool_run, its_daemon_or_its_keeper_is_killed) {
        struct running r = start("trap 'exit 5' TERM; " SLEEP);
        pid_t keeper = child_of(r.pid, "sfshm"), daemon = child_of(keeper, "sfshmd");

        cr_assert(keeper > 0 && daemon > 0);
        kill(daemon, SIGKILL);
        kill(r.pid, SIGTERM);
        cr_expect_eq(end(&r), 5);
        expect_gone(r.socket);
        r = start("trap 'exit 5' TERM; " SLEEP);
        keeper = child_of(r.pid, "sfshm"), daemon = child_of(keeper, "sfshmd");
        cr_assert(keeper > 0 && daemon > 0);
        kill(keeper, SIGKILL);
        UNTIL(kill(daemon, 0) < 0);
        kill(r.pid, SIGTERM);
        cr_expect_eq(end(&r), 5);
        expect_gone(r.socket);
}
