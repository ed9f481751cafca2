/* SPDX-License-Identifier: MIT */
/* sfshm fence */
#include <string.h>

#include "libclient/tools/print.h"
#include "libclient/tools/run_daemon.h"

int command_fence(const struct command_options *options, char *const arguments[], int n) {
        const char *words[] = { "--fence-above", options->above,
                                options->force ? "--force" : NULL, NULL };
        char quoted[PRINT_QUOTED_SIZE];

        if (n > 0)
                return print_error("'fence' takes no argument, but got %s; say --above ID|TIME",
                                   print_quoted(arguments[0], strlen(arguments[0]), quoted));
        if (options->above == NULL)
                return print_error("'fence' needs --above ID|TIME: the next sfshmd begins above it");
        return run_daemon(words, options);
}
