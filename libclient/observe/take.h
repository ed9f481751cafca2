/* SPDX-License-Identifier: MIT */
#pragma once
/* Takes a sample of a daemon: finds it, asks it, reads its segments. */
#include "libclient/observe/sample.h"

/* Which daemon. With `shm` it is not asked, and `socket` is ignored. */
struct take_target {
        const char *socket, *shm;
};

/* What the command line gave, or NULL. 0, or after a message EXIT_USAGE. */
int take_check(const char *socket, const char *shm);

/* Whatever is wrong with the daemon is in the sample. Clear it with sample_clear(). */
void take_clock(const struct take_target *target, struct sample *ret);
/* With its statistics: asks for a fresh snapshot, and waits 200 ms for it. */
void take_sample(const struct take_target *target, struct sample *ret);

/* Says what is wrong with the daemon or its statistics, if anything is, on stderr. Returns the
 * exit status. */
int take_complain(const struct sample *sample);
