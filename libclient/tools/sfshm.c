/* SPDX-License-Identifier: MIT */
/* sfshm(1): the commands, and their help. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/tools/command.h"
#include "libclient/tools/options.h"
#include "libclient/observe/print.h"
#include "shm/process/process.h"

#define LAYOUT \
        "The layout is the daemon's, or that of any of --layout, --epoch and --region-bits\n" \
        "(41/10/12, 2025-01-01 and 0).\n"

static const struct command {
        const char *name;
        command_fn run;
        unsigned takes;        /* enum option_group */
        const char *instead;   /* what to use instead of arguments; NULL: it takes some */
        const char *arguments; /* in the help */
        const char *about, *more;
} commands[] = {
        { "next", command_next, GROUP_NEXT | GROUP_JSON | GROUP_SOCKET,
          .instead = "-n N for several IDs",
          .arguments = "[OPTION]...",
          .about = "allocate IDs and print them, one on each line" },
        { "decode", command_decode, GROUP_JSON | GROUP_SOCKET | GROUP_LAYOUT,
          .arguments = "[OPTION]... [ID|-]...",
          .about = "show the time, region, worker and sequence of IDs",
          .more = "An ID is decimal, or hexadecimal after 0x. Without IDs, or for -, they are read\n"
                  "from standard input: one on each line, or what --json prints.\n" LAYOUT },
        { "first", command_first, GROUP_JSON | GROUP_SOCKET | GROUP_LAYOUT,
          .arguments = "[OPTION]... TIME",
          .about = "print the lowest ID of a time",
          .more = "TIME is 2026-11-23T18:00:00Z, now, today or another form that sfshm(1) lists.\n"
                  LAYOUT },
        { "who", command_who, GROUP_JSON | GROUP_SOCKET | GROUP_SHM | GROUP_WHO,
          .arguments = "[OPTION]... [ID]...",
          .about = "show which process made an ID, by the record of sfshm-recorder",
          .more = "An ID is decimal, or hexadecimal after 0x. Without IDs they are read from\n"
                  "standard input: one on each line, or what --json prints.\n" },
        { "clock", command_clock, GROUP_JSON | GROUP_SOCKET | GROUP_SHM,
          .arguments = "[accept] [OPTION]...",
          .about = "show the daemon's clock; accept: let it follow the wall clock" },
        { "fence", command_fence, GROUP_FENCE,
          .instead = "--above ID|TIME",
          .arguments = "--above ID|TIME [OPTION]...",
          .about = "let the next sfshmd start above an ID or a time",
          .more = "Stop sfshmd first.\n" },
        { "workers", command_workers, GROUP_FENCE | GROUP_JSON | GROUP_WORKERS,
          .instead = "--release IDS or --begin",
          .arguments = "[OPTION]...",
          .about = "show which hosts have which worker IDs, free some, or begin a space" },
        { "run", command_run, GROUP_RUN,
          .arguments = "[--workers N] -- COMMAND [ARGUMENT]...",
          .about = "run a command with a private sfshmd, for tests",
          .more = "COMMAND finds its socket in $SFSHM_SOCKET. The exit status is that of COMMAND.\n"
                  "Its IDs are unique in that run only.\n" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *command_find(const char *name) {
        for (size_t i = 0; i < COMMANDS; i++)
                if (strcmp(name, commands[i].name) == 0)
                        return &commands[i];
        return NULL;
}

static int unknown_command(const char *name) {
        char quoted[PRINT_QUOTED_SIZE];

        return print_usage_error("%s is not a command",
                                 print_quoted(name, strlen(name), quoted));
}

static void print_commands(FILE *out) {
        fputs("Usage: sfshm COMMAND [OPTION]... [ARGUMENT]...\n\n", out);
        for (size_t i = 0; i < COMMANDS; i++)
                fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].about);
        fputs("  help     show the options, or what one command takes\n\n", out);
}

/* `command` may be NULL: all of them. Returns the exit status. */
static int show_help(const struct command *command) {
        unsigned groups = GROUPS_ALL;

        if (command == NULL) {
                print_commands(stdout);
        } else {
                groups = command->takes | GROUP_ALWAYS;
                printf("Usage: sfshm %s %s\n\n%s: %s\n%s\n", command->name, command->arguments,
                       command->name, command->about,
                       command->more != NULL ? command->more : "");
        }
        options_print(stdout, groups);
        return print_finish(stdout);
}

/* "help", with the words behind it. */
static int run_help(char *words[], int n) {
        const struct command *command = n > 0 ? command_find(words[0]) : NULL;

        return n > 0 && command == NULL ? unknown_command(words[0]) : show_help(command);
}

static int run_command(const struct command_options *options, const struct options_given *given,
                       char *words[], int n) {
        const struct command *command = command_find(words[0]);
        char quoted[PRINT_QUOTED_SIZE];
        int status;

        if (command == NULL)
                return unknown_command(words[0]);
        status = options_check(options, given, words[0], command->takes);
        if (status != 0)
                return status;
        if (n > 1 && command->instead != NULL)
                return print_usage_error("'%s' takes no argument, but got %s; use %s", words[0],
                                         print_quoted(words[1], strlen(words[1]), quoted),
                                         command->instead);
        return command->run(options, words + 1, n - 1);
}

static int run(struct command_options *options, int argc, char *argv[]) {
        struct options_given given;
        int first = options_parse(options, &given, argc, argv);
        char **words = argv + first;
        int n = argc - first;

        if (first < 0)
                return EXIT_USAGE;
        if (options->version) {
                puts("sfshm " SFSHM_VERSION);
                return print_finish(stdout);
        }
        if (options->help)
                return run_help(words, n);
        if (n == 0) {
                print_commands(stderr);
                fputs("'sfshm help COMMAND' shows its options; see sfshm(1).\n", stderr);
                return EXIT_USAGE;
        }
        if (strcmp(words[0], "help") == 0)
                return n > 2 ? print_usage_error("'help' takes one command")
                             : run_help(words + 1, n - 1);
        return run_command(options, &given, words, n);
}

int main(int argc, char *argv[]) {
        struct command_options options = { .count = 1, .workers = 1, .layout = SFSHM_LAYOUT_DEFAULT };
        int status;

        process_begin();
        /* at most as many as there are arguments */
        options.sets = calloc((size_t)argc + 1, sizeof(*options.sets));
        if (options.sets == NULL)
                return print_error("out of memory");
        status = run(&options, argc, argv);
        free(options.sets);
        return status;
}
