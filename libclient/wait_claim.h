/* SPDX-License-Identifier: MIT */
#pragma once
/* Claims positions, and waits, asks the daemon for more or attaches again as needed. */
#include <stdint.h>

#include "libclient/handle.h"
#include "libclient/lane.h"

/* How long a call may wait, and how long it has waited. The clock is read at the first wait. */
struct deadline {
        int64_t timeout_ns; /* -1: without limit; 0: not at all */
        int64_t at_ns; /* CLOCK_MONOTONIC; 0: not read yet */
        int64_t pause_ns; /* see clock_next_pause() */
        int64_t waited_ns[WAIT_REASONS];
};

struct deadline deadline_of(const struct sfshm *s);

/*
 * Claims at least `min` and at most `max` positions from the calling thread's lane of
 * the handle's newest attachment. The claim may begin in the past if `reach_back` is
 * set and the daemon allows it. Returns 0 or an error of sfshm_next().
 */
int wait_claim(struct sfshm *s, uint64_t min, uint64_t max, bool reach_back,
               struct deadline *deadline, struct claim *ret);
/* At the end of a call: counts what it has waited. Returns `result`. */
int wait_end(const struct sfshm *s, const struct deadline *deadline, int result);
