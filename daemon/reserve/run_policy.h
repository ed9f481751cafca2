/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How long the run should be: demand in, worker IDs out. Pure; time comes from outside.
 *
 * It doubles, up to max_count, after RUN_POLICY_GROW_NS in which callers found their tick
 * full in at least every fourth tick, while half of what the run has was handed out. It
 * shrinks to the shortest of count, 2 count, 4 count … of which the highest demand of the
 * last RUN_POLICY_SHRINK_NS would have used up three eighths at most. So demand which made
 * it grow does not let it shrink, and the other way round.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config/config.h"
#include "daemon/lease/lease.h"
#include "daemon/util/time.h"

#define RUN_POLICY_GROW_NS (3 * NS_PER_S)
#define RUN_POLICY_SHRINK_NS (60 * NS_PER_S)
/* After a growth that could not be had, twice as long after each further one. */
#define RUN_POLICY_PAUSE_FIRST_NS (30 * NS_PER_S)
#define RUN_POLICY_PAUSE_LAST_NS (600 * NS_PER_S)
/* A sample tells of the time since the one before, but of no more than that. */
#define RUN_POLICY_SAMPLE_NS NS_PER_S

/* What was measured since the last sample. */
struct run_policy_sample {
        int64_t now_ns; /* CLOCK_BOOTTIME */
        uint64_t ids;
        uint64_t overflows; /* calls that found their tick full */
        uint64_t ticks;     /* in which that was; 0: nobody was busy */
        uint32_t lanes;     /* attached; each needs a position of its own */
        uint32_t run;       /* worker IDs now */
};

struct run_policy {
        uint32_t count, max_count;
        uint32_t positions; /* of one worker ID */
        int64_t sampled_ns;
        int64_t over_ns;      /* so long it has overflowed, less what it has not */
        int64_t low_since_ns; /* since then a shorter run would do; 0: it would not */
        uint32_t low_run;     /* ... of that length */
        int64_t hold_ns;      /* no growth before */
        int64_t pause_ns;
};

void run_policy_init(struct run_policy *policy, uint32_t count, uint32_t max_count,
                     uint32_t positions);
/* The worker IDs that are wanted; sample->run: no others. */
uint32_t run_policy_decide(struct run_policy *policy, const struct run_policy_sample *sample);
/* A growth was had: what it is good for shows after `settle_ns`. */
void run_policy_grown(struct run_policy *policy, int64_t now_ns, int64_t settle_ns);
/* It was not. */
void run_policy_refused(struct run_policy *policy, int64_t now_ns);

/* -ERANGE, logged: more positions than a host can use. */
int run_policy_check(const struct config *config, const struct lease_grant *granted);
/* Worker IDs the run may ever have. */
uint32_t run_policy_most(const struct config *config, const struct lease_grant *granted);
/*
 * How many it begins with: as many as the adopted ledger was used for, `adopted`, if they
 * are still ours: of these it knows all promises, and others' fences have passed. 0: it
 * is a new one, and the clock above all fences; then workers.count. See run.h.
 */
uint32_t run_policy_at_start(const struct config *config, const struct lease_grant *granted,
                             uint32_t adopted);
