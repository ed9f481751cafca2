/* SPDX-License-Identifier: MIT */
#pragma once
/* The libraries of other releases, several in one process. */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/sfshm.h"

struct release {
        const char *name; /* "this", or as in meson.build */
        unsigned version_min, version_max; /* of the protocol */
        int (*open)(sfshm **, const char *, unsigned);
        sfshm *(*close)(sfshm *);
        int (*next)(sfshm *, uint64_t *);
        const char *(*strerror)(int);
};

/* Loads it, or the test fails. "this" is the one the test links. */
struct release release_load(const char *name);
/* The daemon of that release; NULL for "this". */
const char *release_daemon(const char *name);
