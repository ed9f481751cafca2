/* SPDX-License-Identifier: MIT */
/*
 * What a program may find when it starts: closed descriptors 0 to 2, an output that takes
 * nothing, files that may not grow. Every program, in every form of output.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"

TestSuite(tool_surroundings, .timeout = 120);

static struct private_daemon d;

static void set_up(void) {
        private_daemon_prepare(&d);
        private_daemon_start(&d);
        cr_assert_eq(setenv("SFSHM_SOCKET", d.socket, 1), 0);
}

static void clean(void) {
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

enum output { TO_FULL, TO_NOWHERE, TO_SHORT_FILE };

static void set_output(enum output output) {
        struct rlimit limit = { 100, 100 };

        close(STDOUT_FILENO);
        if (output == TO_FULL)
                (void)!open("/dev/full", O_WRONLY);
        if (output != TO_SHORT_FILE)
                return;
        (void)!open(d.directory, O_TMPFILE | O_RDWR, 0600);
        setrlimit(RLIMIT_FSIZE, &limit);
}

/* Returns the exit status; 128 + signal. Its messages are in ret_text. */
static int run_with(const char *const argv[], enum output output, char *ret_text, size_t size) {
        size_t length = 0;
        int ends[2], status;
        ssize_t n;
        pid_t pid;

        cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                dup2(ends[1], STDERR_FILENO);
                set_output(output);
                execv(getenv(argv[0]), (char *const *)(uintptr_t)argv);
                _exit(127);
        }
        close(ends[1]);
        while ((n = read(ends[0], ret_text + length, size - 1 - length)) > 0)
                length += (size_t)n;
        ret_text[length] = '\0';
        close(ends[0]);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* "$VARIABLE word word ..."; SHM stands for the daemon's. */
static void expect_refused(const char *command, enum output output, const char *why) {
        static char words[1024], text[65536];
        const char *argv[24];
        unsigned n = 0;
        int status;

        snprintf(words, sizeof(words), "%s", command);
        for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
                argv[n++] = strcmp(word, "SHM") == 0 ? d.shm : word;
        argv[n] = NULL;
        status = run_with(argv, output, text, sizeof(text));
        cr_expect_eq(status, 1, "%s: status %d: %s", command, status, text);
        cr_expect_not_null(strstr(text, "cannot write the output: "), "%s: %s", command, text);
        cr_expect_not_null(strstr(text, why), "%s: %s", command, text);
}

static const char *const forms[] = {
        "SFSHM_TOOL --help",
        "SFSHM_TOOL --version",
        "SFSHM_TOOL next",
        "SFSHM_TOOL next -n 100000",
        "SFSHM_TOOL next --json",
        "SFSHM_TOOL decode --layout 41/10/12 --epoch 2025-01-01 7000000000000000000",
        "SFSHM_TOOL decode --layout 41/10/12 --epoch 2025-01-01 --json 7000000000000000000",
        "SFSHM_TOOL first --layout 41/10/12 --epoch 2025-01-01 now",
        "SFSHM_TOOL clock --shm SHM",
        "SFSHM_STAT_TOOL --help",
        "SFSHM_STAT_TOOL --version",
        "SFSHM_STAT_TOOL --shm SHM",
        "SFSHM_STAT_TOOL --shm SHM --clients",
        "SFSHM_STAT_TOOL --shm SHM --json",
        "SFSHM_STAT_TOOL --shm SHM --prometheus",
        "SFSHM_STAT_TOOL --shm SHM 0.05 3",
        "SFSHMD --help",
        "SFSHMD --version",
};

/* Red when a main() returns without process_finish(). */
Test(tool_surroundings, full_output, .init = set_up, .fini = clean) {
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
                expect_refused(forms[i], TO_FULL, "No space left on device");
}

/* Red when process_fill() opens standard output for writing: then an ID is taken and lost,
 * and the status says that all is well. */
Test(tool_surroundings, closed_output, .init = set_up, .fini = clean) {
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
                expect_refused(forms[i], TO_NOWHERE, "Bad file descriptor");
}

/* Red when SIGXFSZ is not caught: 153 instead of 1. */
Test(tool_surroundings, output_that_may_not_grow, .init = set_up, .fini = clean) {
        expect_refused("SFSHM_TOOL --help", TO_SHORT_FILE, "File too large");
        expect_refused("SFSHM_TOOL next -n 100000", TO_SHORT_FILE,
                       "File too large");
        expect_refused("SFSHM_STAT_TOOL --shm SHM --prometheus", TO_SHORT_FILE, "File too large");
        expect_refused("SFSHMD --help", TO_SHORT_FILE, "File too large");
}

/* A fence that was written is told of, or that it cannot be. */
Test(tool_surroundings, repair_command) {
        char state[160], socket[160], shm[160], text[4096];
        const char *argv[] = { "SFSHMD", "--fence-above", "2025-02-01", "--set", "workers.first=0",
                               "--set", state, "--set", socket, "--set", shm, NULL };
        int status;

        private_daemon_prepare(&d);
        snprintf(state, sizeof(state), "daemon.state_dir=%s", d.state);
        snprintf(socket, sizeof(socket), "daemon.socket=%s", d.socket);
        snprintf(shm, sizeof(shm), "daemon.shm=%s", d.shm);
        status = run_with(argv, TO_FULL, text, sizeof(text));
        cr_expect_eq(status, 1, "status %d: %s", status, text);
        cr_expect_not_null(strstr(text, "cannot write the output: No space left"), "%s", text);
        private_daemon_remove(&d);
}

static void close_some(void *context) {
        unsigned closed = *(unsigned *)context;

        for (int fd = 0; fd < 3; fd++)
                if (closed >> fd & 1)
                        close(fd);
}

static void expect_null_device(unsigned closed) {
        for (int fd = 0; fd < 3; fd++) {
                char path[64], target[PATH_MAX];
                ssize_t n;

                snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)d.pid, fd);
                n = readlink(path, target, sizeof(target) - 1);
                cr_assert_gt(n, 0, "%s with %#x", path, closed);
                target[n] = '\0';
                cr_expect((closed >> fd & 1) == 0 || strcmp(target, "/dev/null") == 0,
                          "descriptor %d of the daemon is %s", fd, target);
        }
}

/* Red without process_begin() in main(): the log goes into a client's socket, the fence... */
Test(tool_surroundings, daemon_with_closed_descriptors) {
        for (unsigned closed = 1; closed < 8; closed++) {
                uint64_t id;

                private_daemon_prepare(&d);
                d.before_exec = close_some;
                d.before_exec_context = &closed;
                private_daemon_start(&d);
                cr_expect_eq(private_daemon_next(&d, &id), 0);
                private_daemon_signal(&d, SIGHUP, false); /* it has something to say */
                cr_expect_eq(private_daemon_next(&d, &id), 0);
                expect_null_device(closed);
                private_daemon_stop(&d);
                private_daemon_start(&d); /* what it left can be read */
                cr_expect_eq(private_daemon_next(&d, &id), 0);
                private_daemon_stop(&d);
                private_daemon_remove(&d);
        }
}

static void may_grow(rlim_t size) {
        struct rlimit limit = { size, RLIM_INFINITY };

        cr_assert_eq(prlimit(d.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static int log_pipe[2];

static void use_log_pipe(void *context) {
        (void)context;
        dup2(log_pipe[1], STDERR_FILENO);
}

struct logging {
        sfshm *s;
        const char *part;
};

/* Takes IDs meanwhile, so that the fence is wanted. */
static bool pipe_says(void *context) {
        static char text[65536];
        static size_t length;
        struct logging *logging = context;
        uint64_t id;
        ssize_t n;

        (void)sfshm_next(logging->s, &id);
        n = read(log_pipe[0], text + length, sizeof(text) - 1 - length);
        length += n > 0 ? (size_t)n : 0;
        return strstr(text, logging->part) != NULL;
}

/* A fence that cannot be written is an error, and the daemon goes on when it can. Red when
 * SIGXFSZ ends the daemon. */
Test(tool_surroundings, daemon_whose_files_may_not_grow) {
        struct logging logging = { .part = "File too large" };

        cr_assert_eq(pipe2(log_pipe, O_NONBLOCK | O_CLOEXEC), 0);
        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_set(&d, "workers.horizon=2s"); /* the fence is wanted soon */
        d.before_exec = use_log_pipe;
        private_daemon_start(&d);
        logging.s = private_daemon_open(&d, 0);
        sfshm_set_timeout(logging.s, 1000000);
        may_grow(0);
        cr_expect(wait_until(pipe_says, &logging, 60000));
        may_grow(RLIM_INFINITY);
        logging.part = "event=fence-recovered";
        cr_expect(wait_until(pipe_says, &logging, 60000));
        sfshm_close(logging.s);
        clean();
}
