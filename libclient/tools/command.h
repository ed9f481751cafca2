/* SPDX-License-Identifier: MIT */
#pragma once
/* The commands of sfshm(1) and their options. */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/sfshm.h"

struct command_options {
        uint64_t count; /* -n */
        bool json, parallel, help, version;
        const char *socket; /* NULL: the library's default */
        const char *shm;    /* NULL: the default */
        const char *directory; /* of the record; NULL: the default */
        bool offline;       /* --layout, --epoch or --region-bits was given: */
        struct sfshm_layout layout;
        uint64_t workers;   /* of `run` */
        /* for sfshmd */
        const char *above; /* NULL: not given */
        const char *release; /* worker IDs; NULL: not given */
        const char *space; /* of --begin; NULL: not given */
        bool begin, force, all_regions, yes;
        const char *config; /* NULL: the default */
        const char **sets;  /* NULL-terminated */
};

/* Each prints its errors and returns the exit status. `arguments` are the `n` words after
 * the options. */
typedef int (*command_fn)(const struct command_options *options, char *const arguments[], int n);

int command_next(const struct command_options *options, char *const arguments[], int n);
int command_decode(const struct command_options *options, char *const arguments[], int n);
int command_clock(const struct command_options *options, char *const arguments[], int n);
int command_fence(const struct command_options *options, char *const arguments[], int n);
int command_workers(const struct command_options *options, char *const arguments[], int n);
int command_who(const struct command_options *options, char *const arguments[], int n);
int command_run(const struct command_options *options, char *const arguments[], int n);
int command_first(const struct command_options *options, char *const arguments[], int n);

/* sfshm_open(). Returns 0, or the exit status after printing an error. */
int command_open(const struct command_options *options, unsigned flags, sfshm **ret);

/* The layout given, or that of the daemon, dead or alive, or else the default with a note on
 * stderr. Attaches to nothing: it works in an outage and at daemon.max_clients. */
void command_layout(const struct command_options *options, struct sfshm_layout *ret);

/* Executes the sfshmd that belongs to this tool. Returns 1, and only after printing an
 * error. */
int exec_daemon(char *const argv[]);
