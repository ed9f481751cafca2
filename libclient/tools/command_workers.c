/* SPDX-License-Identifier: MIT */
/* sfshm workers */
#include <string.h>

#include "libclient/tools/print.h"
#include "libclient/tools/run_daemon.h"

#define WORDS_MAX 10u

static void put(const char *words[WORDS_MAX], size_t *n, const char *word) {
        words[(*n)++] = word;
}

static int check(const struct command_options *options) {
        if (options->release == NULL &&
            (options->above != NULL || options->force || options->yes))
                return print_error("--above, --force and --yes belong to --release");
        if (options->release != NULL && (options->json || options->all_regions))
                return print_error("--release takes neither --json nor --all-regions");
        return 0;
}

int command_workers(const struct command_options *options, char *const arguments[], int n_given) {
        const char *words[WORDS_MAX] = { NULL }; /* all of the below, and NULL */
        char quoted[PRINT_QUOTED_SIZE];
        size_t n = 0;

        if (n_given > 0)
                return print_error("'workers' takes no argument, but got %s; say --release IDS",
                                   print_quoted(arguments[0], strlen(arguments[0]), quoted));
        if (check(options) != 0)
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
        return run_daemon(words, options);
}
