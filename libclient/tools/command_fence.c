/* SPDX-License-Identifier: MIT */
/* sfshm fence: sfshmd does the work, since it knows its configuration and state. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libclient/tools/command.h"
#include "libclient/tools/print.h"

#define BUILT_AT "/libclient/tools/" /* where a build directory has this tool ... */
#define BUILT_DAEMON "/daemon/sfshmd" /* ... and sfshmd */

/* A tool that is run from where it was built belongs to the daemon beside it, not
 * to one of maybe another version that is installed. */
static bool path_beside(char ret[PATH_MAX]) {
        ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
        char *at;

        if (n <= 0)
                return false;
        ret[n] = '\0';
        at = strrchr(ret, '/');
        if (at == NULL)
                return false;
        at[1] = '\0';
        at -= strlen(BUILT_AT) - 1;
        if (at < ret || strcmp(at, BUILT_AT) != 0)
                return false;
        snprintf(at, (size_t)(ret + PATH_MAX - at), "%s", BUILT_DAEMON);
        return access(ret, X_OK) == 0;
}

/* Returns only when no sfshmd could be run: 1. */
static int run_daemon(char *const argv[]) {
        char beside[PATH_MAX];

        if (path_beside(beside))
                execv(beside, argv);
        execv(SFSHM_SBINDIR "/sfshmd", argv);
        if (errno != ENOENT)
                return print_error("cannot run %s: %s", SFSHM_SBINDIR "/sfshmd", strerror(errno));
        execvp("sfshmd", argv);
        return print_error("cannot run sfshmd, which does this: %s; it is neither %s nor in $PATH. "
                           "Install it, or run 'sfshmd --fence-above' where it is",
                           strerror(errno), SFSHM_SBINDIR "/sfshmd");
}

static size_t put_option(const char **argv, size_t n, const char *name, const char *value) {
        argv[n++] = name;
        argv[n++] = value;
        return n;
}

int command_fence(const struct command_options *options, char *const arguments[], int n_words) {
        char quoted[PRINT_QUOTED_SIZE];
        size_t n_sets = 0, n = 0;
        const char **argv;
        int status;

        if (n_words > 0)
                return print_error("'fence' takes no argument, but got %s; say --above ID|TIME",
                                   print_quoted(arguments[0], strlen(arguments[0]), quoted));
        if (options->above == NULL)
                return print_error("'fence' needs --above ID|TIME: the next sfshmd begins above it");
        while (options->sets[n_sets] != NULL)
                n_sets++;
        argv = calloc(7 + 2 * n_sets, sizeof(*argv));
        if (argv == NULL)
                return print_error("there is no memory left");
        argv[n++] = "sfshmd";
        n = put_option(argv, n, "--fence-above", options->above);
        if (options->force)
                argv[n++] = "--force";
        if (options->config != NULL)
                n = put_option(argv, n, "--config", options->config);
        for (size_t i = 0; i < n_sets; i++)
                n = put_option(argv, n, "--set", options->sets[i]);
        status = run_daemon((char *const *)argv);
        free(argv);
        return status;
}
