/* SPDX-License-Identifier: MIT */
#pragma once
/* The command line of sfshm-exporter. */
#include <stdbool.h>

#include "libclient/observe/take.h"

struct options {
        const char *listen; /* NULL: it was not given */
        const char *socket, *shm;
        struct take_target target;
        bool done; /* only --help or --version: the status is final */
};

/* Returns 0, or the exit status after a message. */
int options_read(struct options *ret, int argc, char *argv[]);
