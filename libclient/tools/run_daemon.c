/* SPDX-License-Identifier: MIT */
#include "libclient/tools/run_daemon.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static int run(char *const argv[]) {
        char beside[PATH_MAX];

        if (path_beside(beside))
                execv(beside, argv);
        execv(SFSHM_SBINDIR "/sfshmd", argv);
        if (errno != ENOENT)
                return print_error("cannot run %s: %s", SFSHM_SBINDIR "/sfshmd", strerror(errno));
        execvp("sfshmd", argv);
        return print_error("cannot run sfshmd, which does this: %s; it is neither %s nor in $PATH. "
                           "Install it, or run 'sfshmd %s' where it is",
                           strerror(errno), SFSHM_SBINDIR "/sfshmd", argv[1]);
}

static size_t put_option(const char **argv, size_t n, const char *name, const char *value) {
        argv[n++] = name;
        argv[n++] = value;
        return n;
}

int run_daemon(const char *const words[], const struct command_options *options) {
        size_t n_sets = 0, n_words = 0, n = 0;
        const char **argv;
        int status;

        while (options->sets[n_sets] != NULL)
                n_sets++;
        while (words[n_words] != NULL)
                n_words++;
        argv = calloc(4 + n_words + 2 * n_sets, sizeof(*argv));
        if (argv == NULL)
                return print_error("there is no memory left");
        argv[n++] = "sfshmd";
        for (size_t i = 0; i < n_words; i++)
                argv[n++] = words[i];
        if (options->config != NULL)
                n = put_option(argv, n, "--config", options->config);
        for (size_t i = 0; i < n_sets; i++)
                n = put_option(argv, n, "--set", options->sets[i]);
        status = run((char *const *)argv);
        free(argv);
        return status;
}
