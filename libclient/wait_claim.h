/* SPDX-License-Identifier: MIT */
#pragma once
/* Claiming with all that may come in between: waiting, asking, attaching anew. */
#include <stdint.h>

#include "libclient/handle.h"
#include "libclient/lane.h"

/* How long a call may wait. The clock is read at the first wait only. */
struct deadline {
        int64_t timeout_ns; /* -1: for ever; 0: not at all */
        int64_t at_ns; /* CLOCK_MONOTONIC; 0: not read yet */
};

struct deadline deadline_of(const struct sfshm *s);

/*
 * Claims at least `min` and at most `max` positions from the lane of the
 * calling thread, on whichever attachment the handle has; may begin in the
 * past if the daemon allows it and `reach_back` is set. 0, or what
 * sfshm_next() returns.
 */
int wait_claim(struct sfshm *s, uint64_t min, uint64_t max, bool reach_back, struct deadline *deadline,
               struct claim *ret);
