/* SPDX-License-Identifier: MIT */
#include "tests/support/tool.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void tool_child(const char *program, const char *const arguments[], const int fds[3]) {
        char *argv[TOOL_ARGUMENTS_MAX + 2];
        int n = 0;

        argv[n++] = strdup(program);
        for (int i = 0; arguments[i] && n <= TOOL_ARGUMENTS_MAX; i++)
                argv[n++] = strdup(arguments[i]);
        argv[n] = NULL;
        for (int i = 0; i < 3; i++)
                dup2(fds[i], i);
        execv(program, argv);
        _exit(127);
}

static void tool_read(FILE *file, char ret[TOOL_OUTPUT_MAX]) {
        size_t n;

        rewind(file);
        n = fread(ret, 1, TOOL_OUTPUT_MAX - 1, file);
        ret[n] = '\0';
        fclose(file);
}

void tool_run(struct tool_result *ret, const char *variable, const char *const arguments[],
              const char *input, size_t length) {
        const char *program = getenv(variable);
        FILE *in = tmpfile(), *out = tmpfile(), *err = tmpfile();
        int status;
        pid_t pid;

        cr_assert_not_null(program, "set $%s to the built program", variable);
        cr_assert(in && out && err, "no temporary files");
        cr_assert(length == 0 || fwrite(input, 1, length, in) == length);
        rewind(in);
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0)
                tool_child(program, arguments, (int[3]){ fileno(in), fileno(out), fileno(err) });
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        ret->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        fclose(in);
        tool_read(out, ret->out);
        tool_read(err, ret->err);
}

int tool_run_with(struct tool_result *ret, const struct private_daemon *d,
                  const char *const words[]) {
        const char *arguments[TOOL_ARGUMENTS_MAX + 1] = { NULL };
        size_t n = 0;

        for (; words[n] != NULL; n++)
                arguments[n] = words[n];
        for (unsigned i = 0; i < d->n_sets; i++) {
                arguments[n++] = "--set";
                arguments[n++] = d->sets[i];
        }
        tool_run(ret, "SFSHM_TOOL", arguments, "", 0);
        return ret->status;
}
