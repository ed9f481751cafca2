/* SPDX-License-Identifier: MIT */
#pragma once
/* The output formats of sfshm-stat(1). */
#include <stdbool.h>
#include <stdio.h>

#include "libclient/observe/sample.h"

/* The summary, without an interval. `clients`: with a line for each client. */
void stat_print_summary(FILE *out, const struct sample *sample, bool clients);

#define STAT_HEADER_EVERY 20u
/* A line as of vmstat, of 80 columns at most. The header precedes every STAT_HEADER_EVERY lines;
 * `line` counts from 0. `time`: it begins with the time of day. */
void stat_print_line(FILE *out, const struct sample *sample, const struct rates *rates,
                     uint64_t line, bool time);
void stat_print_clients(FILE *out, const struct sample *sample);

/* One object on one line. `rates` may be NULL. */
void stat_print_json(FILE *out, const struct sample *sample, const struct rates *rates,
                     bool clients);

/* The exit statuses of a monitoring plugin. */
enum stat_check {
        STAT_CHECK_OK,
        STAT_CHECK_WARNING,
        STAT_CHECK_CRITICAL,
        STAT_CHECK_UNKNOWN,
};
/* The state as one sentence. */
enum stat_check stat_print_check(FILE *out, const struct sample *sample);

/* Where a sample is written: stdout, or a file that is replaced when all of it is written. */
struct stat_output {
        const char *path; /* NULL: stdout */
        char *temporary;
        FILE *file;
};
/* Both return 0, or 1 after printing an error. */
int stat_output_open(struct stat_output *ret, const char *path);
int stat_output_close(struct stat_output *output);
