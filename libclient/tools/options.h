/* SPDX-License-Identifier: MIT */
#pragma once
/* The options of sfshm(1): one table for parsing, for the help and for what each command
 * takes. */
#include <stdint.h>
#include <stdio.h>

#include "libclient/tools/command.h"

/* Each command takes the options of some groups. */
enum option_group {
        GROUP_NEXT = 1 << 0, /* -n, --parallel */
        GROUP_JSON = 1 << 1,
        GROUP_SOCKET = 1 << 2,
        GROUP_SHM = 1 << 3,
        GROUP_LAYOUT = 1 << 4,
        GROUP_FENCE = 1 << 5, /* --above, --force, --config, --set */
        GROUP_WORKERS = 1 << 6, /* --begin, --space, --release, --all-regions, --yes */
        GROUP_ALWAYS = 1 << 7, /* --help, --version: every command has them */
        GROUP_RUN = 1 << 8,    /* --workers */
        GROUP_WHO = 1 << 9,    /* --directory */
        GROUPS_ALL = (1 << 10) - 1,
};

/* Which options were given: a bit for each row of the table. */
struct options_given {
        uint32_t rows;
};

/* Parses the options and moves all other words to the end of `argv`. Returns the index of the
 * first of those, or -1 after printing an error of usage. */
int options_parse(struct command_options *ret, struct options_given *ret_given, int argc,
                  char *argv[]);

/* An option that `command` would ignore is an error. Returns 0, or 2 after printing it. */
int options_check(const struct command_options *options, const struct options_given *given,
                  const char *command, unsigned groups);

/* One line for each option of the groups. */
void options_print(FILE *out, unsigned groups);
