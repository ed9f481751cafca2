/* SPDX-License-Identifier: MIT */
/* sfshm fence and sfshm workers. sfshmd carries them out, since it knows the configuration
 * and the state; the tool executes it. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libclient/tools/command.h"
#include "libclient/tools/print.h"

#define WORDS_MAX 10u
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

static int run(char *const argv[]) {
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

static size_t put_option(const char **argv, size_t n, const char *name, const char *value) {
        argv[n++] = name;
        argv[n++] = value;
        return n;
}

/* Executes `sfshmd WORDS... --config FILE --set ...` with file and settings of `options`.
 * `words` end with NULL. Returns 1, and only if no sfshmd could be executed. */
static int exec_sfshmd(const char *const words[], const struct command_options *options) {
        size_t n_sets = 0, n_words = 0, n = 0;
        const char **argv;
        int status;

        while (options->sets[n_sets] != NULL)
                n_sets++;
        while (words[n_words] != NULL)
                n_words++;
        argv = calloc(4 + n_words + 2 * n_sets, sizeof(*argv));
        if (argv == NULL)
                return print_error("out of memory");
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

int command_fence(const struct command_options *options, char *const arguments[], int n) {
        const char *words[] = { "--fence-above", options->above,
                                options->force ? "--force" : NULL, NULL };
        char quoted[PRINT_QUOTED_SIZE];

        if (n > 0)
                return print_error("'fence' takes no argument, but got %s; use --above ID|TIME",
                                   print_quoted(arguments[0], strlen(arguments[0]), quoted));
        if (options->above == NULL)
                return print_error("'fence' needs --above ID|TIME: the next sfshmd starts above "
                                   "it");
        return exec_sfshmd(words, options);
}

static void put(const char *words[WORDS_MAX], size_t *n, const char *word) {
        words[(*n)++] = word;
}

static int check_workers(const struct command_options *options) {
        if (options->release == NULL &&
            (options->above != NULL || options->force || options->yes))
                return print_error("--above, --force and --yes need --release");
        if (options->release != NULL && (options->json || options->all_regions))
                return print_error("--release takes neither --json nor --all-regions");
        return 0;
}

int command_workers(const struct command_options *options, char *const arguments[], int n_given) {
        const char *words[WORDS_MAX] = { NULL }; /* all of the words below, and NULL */
        char quoted[PRINT_QUOTED_SIZE];
        size_t n = 0;

        if (n_given > 0)
                return print_error("'workers' takes no argument, but got %s; use --release IDS",
                                   print_quoted(arguments[0], strlen(arguments[0]), quoted));
        if (check_workers(options) != 0)
                return 1;
        put(words, &n, "--workers");
        if (options->json)
                put(words, &n, "--json");
        if (options->all_regions)
                put(words, &n, "--all-regions");
        if (options->force)
                put(words, &n, "--force");
        if (options->yes)
                put(words, &n, "--yes");
        if (options->release != NULL) {
                put(words, &n, "--release");
                put(words, &n, options->release);
        }
        if (options->above != NULL) {
                put(words, &n, "--above");
                put(words, &n, options->above);
        }
        return exec_sfshmd(words, options);
}
