/* SPDX-License-Identifier: MIT */
/* main() of a test program without Criterion: runs each test in a process of its own. The
 * arguments name variables of the environment that the program needs. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/portable/criterion/criterion.h"

#define TIMEOUT_S 240 /* at least: an emulator is slow */
#define STATUS_FAILED 1
#define STATUS_SKIPPED 77 /* as meson's */

static struct portable_suite *suites;
static struct portable_test *tests;
static bool expectation_failed; /* of the test that this process runs */

void portable_add_suite(struct portable_suite *suite) {
        suite->next = suites;
        suites = suite;
}

void portable_add_test(struct portable_test *test) {
        struct portable_test **end = &tests;

        while (*end != NULL)
                end = &(*end)->next;
        *end = test;
}

static __attribute__((format(printf, 1, 0))) void print(const char *format, va_list arguments) {
        vprintf(format, arguments);
        putchar('\n');
        fflush(stdout);
}

static __attribute__((format(printf, 4, 0))) void print_failed(const char *file, int line,
                                                               const char *condition,
                                                               const char *format,
                                                               va_list arguments) {
        printf("%s:%d: not true: %s", file, line, condition);
        print(format, arguments);
}

void portable_assert_failed(const char *file, int line, const char *condition,
                            const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        print_failed(file, line, condition, format, arguments);
        va_end(arguments);
        _exit(STATUS_FAILED);
}

void portable_expect_failed(const char *file, int line, const char *condition,
                            const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        print_failed(file, line, condition, format, arguments);
        va_end(arguments);
        expectation_failed = true;
}

void portable_skip(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        print(format, arguments);
        va_end(arguments);
        _exit(STATUS_SKIPPED);
}

/* What the test says itself; else what its suite says. */
static struct portable_options options_of(const struct portable_test *test) {
        struct portable_options options = test->options;

        for (const struct portable_suite *s = suites; s != NULL; s = s->next) {
                if (strcmp(s->name, test->suite) != 0)
                        continue;
                options.init = options.init != NULL ? options.init : s->options.init;
                options.fini = options.fini != NULL ? options.fini : s->options.fini;
                options.timeout = options.timeout > 0 ? options.timeout : s->options.timeout;
        }
        return options;
}

static void run_here(const struct portable_test *test) {
        struct portable_options options = options_of(test);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* SIGALRM ends the process */
        alarm(options.timeout > TIMEOUT_S ? (unsigned)options.timeout : TIMEOUT_S);
        if (options.init != NULL)
                options.init();
        test->run();
        if (options.fini != NULL)
                options.fini();
        fflush(stdout);
        _exit(expectation_failed ? STATUS_FAILED : EXIT_SUCCESS);
}

/* The wait status. */
static int run(const struct portable_test *test) {
        int status = 0;
        pid_t child;

        fflush(stdout);
        child = fork();
        if (child == 0)
                run_here(test);
        if (child < 0) {
                perror("fork");
                exit(STATUS_FAILED);
        }
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
                ;
        return status;
}

int main(int argc, char *argv[]) {
        unsigned passed = 0, failed = 0, crashed = 0, skipped = 0;

        for (int i = 1; i < argc; i++)
                if (getenv(argv[i]) == NULL) {
                        printf("skipped: $%s is not set\n", argv[i]);
                        return STATUS_SKIPPED;
                }

        for (const struct portable_test *test = tests; test != NULL; test = test->next) {
                int status = run(test);
                const char *word = "FAIL";

                if (WIFSIGNALED(status)) {
                        printf("%s\n", strsignal(WTERMSIG(status)));
                        crashed++;
                } else if (WEXITSTATUS(status) == STATUS_SKIPPED) {
                        word = "SKIP";
                        skipped++;
                } else if (WEXITSTATUS(status) != 0) {
                        failed++;
                } else {
                        word = "PASS";
                        passed++;
                }
                printf("[%s] %s::%s\n", word, test->suite, test->name);
        }
        /* tests/summary.py reads this line */
        printf("Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: %u\n",
               passed + failed + crashed + skipped, passed, failed, crashed);
        return failed + crashed > 0 || passed == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
