/* SPDX-License-Identifier: MIT */
/* Executes sfshmd; sfshm fence and sfshm workers, which are no more than that: sfshmd carries them out, since it knows the configuration
 * and the state; the tool executes it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libclient/tools/command.h"
#include "libclient/observe/print.h"

#define WORDS_MAX 20u /* of the arguments but --set, with the NULL */
#define BUILT_AT "/libclient/tools/" /* where this tool is in a build directory, */
#define BUILT_DAEMON "/daemon/sfshmd" /* and where sfshmd is */

/* A tool that runs in its build directory belongs to the daemon there, not to an installed
 * one, which may be of another version. */
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

int exec_daemon(char *const argv[]) {
        char beside[PATH_MAX];

        if (path_beside(beside))
                execv(beside, argv);
        execv(SFSHM_SBINDIR "/sfshmd", argv);
        if (errno != ENOENT)
                return print_error("cannot run %s: %s", SFSHM_SBINDIR "/sfshmd", strerror(errno));
        execvp("sfshmd", argv);
        return print_error("cannot run sfshmd, which carries this out: %s; it is neither %s nor in "
                           "$PATH. Install it, or run 'sfshmd %s' where it is",
                           strerror(errno), SFSHM_SBINDIR "/sfshmd", argv[1]);
}

static void put_flag(const char ***end, const char *name, bool is_given) {
        if (is_given)
                *(*end)++ = name;
}

static void put_text(const char ***end, const char *name, const char *value) {
        put_flag(end, name, value != NULL);
        put_flag(end, value, value != NULL);
}

/* Executes sfshmd, which takes these options under the same names. Returns 1, and only if no
 * sfshmd could be executed. */
static int exec_sfshmd(const struct command_options *options, bool workers) {
        size_t n_sets = 0;
        const char **argv, **end;
        int status;

        while (options->sets[n_sets] != NULL)
                n_sets++;
        argv = end = calloc(WORDS_MAX + 2 * n_sets, sizeof(*argv));
        if (argv == NULL)
                return print_error("out of memory");
        put_flag(&end, "sfshmd", true);
        put_flag(&end, "--workers", workers);
        put_text(&end, workers ? "--above" : "--fence-above", options->above);
        put_flag(&end, "--json", options->json);
        put_flag(&end, "--all-regions", options->all_regions);
        put_flag(&end, "--force", options->force);
        put_flag(&end, "--yes", options->yes);
        put_flag(&end, "--begin", options->begin);
        put_text(&end, "--space", options->space);
        put_text(&end, "--release", options->release);
        put_text(&end, "--config", options->config);
        for (size_t i = 0; i < n_sets; i++)
                put_text(&end, "--set", options->sets[i]);
        status = exec_daemon((char *const *)argv);
        free(argv);
        return status;
}

int command_fence(const struct command_options *options, char *const arguments[], int n) {
        (void)arguments, (void)n;
        if (options->above == NULL)
                return print_usage_error("'fence' needs --above ID|TIME: the next sfshmd starts "
                                         "above it");
        return exec_sfshmd(options, false);
}

int command_workers(const struct command_options *options, char *const arguments[], int n) {
        (void)arguments, (void)n;
        if (options->begin && options->release != NULL)
                return print_usage_error("--begin and --release exclude each other");
        if (options->space != NULL && !options->begin)
                return print_usage_error("--space needs --begin");
        if (options->release == NULL && options->yes)
                return print_usage_error("--yes needs --release");
        if (options->release == NULL && !options->begin &&
            (options->above != NULL || options->force))
                return print_usage_error("--above and --force need --release or --begin");
        if ((options->release != NULL || options->begin) &&
            (options->json || options->all_regions))
                return print_usage_error("%s takes neither --json nor --all-regions",
                                         options->begin ? "--begin" : "--release");
        return exec_sfshmd(options, true);
}
