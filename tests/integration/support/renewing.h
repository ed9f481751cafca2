/* SPDX-License-Identifier: MIT */
#pragma once
/* A host without a daemon, which claims and renews as fast as its coordinator answers. For
 * programs with the daemon's library. */
#include "daemon/lease/fleet/fleet.h"

struct renewing {
        struct fleet *fleet;
        struct lease_counters counters;
};

/* Claims one worker ID. */
void renewing_begin(struct renewing *r, const struct coordinator_calls *calls, void *coordinator);
void renewing_renew(struct renewing *r, unsigned times);
void renewing_end(struct renewing *r);
/* Bytes that the files below it take on the disk. */
int64_t bytes_below(const char *directory);
