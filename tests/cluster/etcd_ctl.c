/* SPDX-License-Identifier: MIT */
#include "tests/cluster/etcd_ctl.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"

#define OUTPUT_MAX ((size_t)1 << 20)

pid_t etcd_ctl_begin(const char *endpoint, char *const arguments[], FILE **ret_output) {
        char *argv[16] = { "etcdctl", "--endpoints", (char *)endpoint, "--dial-timeout=1s",
                           "--command-timeout=1s" };
        int fds[2], none = open("/dev/null", O_WRONLY | O_CLOEXEC);
        pid_t child;

        for (int i = 0; arguments[i] != NULL; i++)
                argv[5 + i] = arguments[i];
        cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
        child = fork_bound();
        cr_assert_geq(child, 0);
        if (child == 0) {
                setenv("ETCDCTL_API", "3", 1);
                dup2(fds[1], STDOUT_FILENO);
                dup2(none, STDERR_FILENO);
                execvp(argv[0], argv);
                _exit(127);
        }
        close(none);
        close(fds[1]);
        *ret_output = fdopen(fds[0], "r");
        return child;
}

void etcd_ctl_end(pid_t pid, FILE *output) {
        fclose(output);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
}

char *etcd_ctl(const char *endpoint, char *const arguments[]) {
        char *text = calloc(1, OUTPUT_MAX);
        FILE *output = NULL;
        pid_t pid = etcd_ctl_begin(endpoint, arguments, &output);

        (void)!fread(text, 1, OUTPUT_MAX - 1, output);
        etcd_ctl_end(pid, output);
        return text;
}
