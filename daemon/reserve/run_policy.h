/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How long the run should be: demand in, worker IDs out. Pure, but for the log of
 * run_policy_check(); time is passed in.
 *
 * The run doubles, up to max_count, after RUN_POLICY_GROW_NS in which callers found their
 * tick full in at least every fourth tick while half of the run was issued. It shrinks to
 * the shortest of count, 2 count, 4 count … of which the highest demand of the last
 * RUN_POLICY_SHRINK_NS would have used at most three eighths. So demand that made it grow
 * does not let it shrink, and the other way round.
 */
#include <stdint.h>

#include "daemon/config/config.h"
#include "daemon/lease/lease.h"
#include "daemon/util/time.h"

#define RUN_POLICY_GROW_NS (3 * NS_PER_S)
#define RUN_POLICY_SHRINK_NS (60 * NS_PER_S)
/* After a growth that was refused; twice as long after each further one. */
#define RUN_POLICY_PAUSE_FIRST_NS (30 * NS_PER_S)
#define RUN_POLICY_PAUSE_LAST_NS (600 * NS_PER_S)
/* A sample covers the time since the previous one, but at most this. */
#define RUN_POLICY_SAMPLE_NS NS_PER_S

/* What was measured since the last sample. */
struct run_policy_sample {
        int64_t now_ns; /* CLOCK_BOOTTIME */
        uint64_t ids;
        uint64_t overflows; /* calls that found their tick full */
        uint64_t ticks;     /* for which this was measured; 0: no lane was busy */
        uint32_t lanes;     /* attached; each needs a position of its own */
        uint32_t run;       /* worker IDs now */
};

struct run_policy {
        uint32_t count, max_count;
        uint32_t positions; /* of one worker ID */
        int64_t sampled_ns;
        int64_t over_ns;      /* how long it has overflowed, less how long it has not */
        int64_t low_since_ns; /* since when a shorter run would do; 0: it would not */
        uint32_t low_run;     /* ... of that length */
        int64_t hold_ns;      /* it does not grow before */
        int64_t pause_ns;
};

void run_policy_init(struct run_policy *policy, uint32_t count, uint32_t max_count,
                     uint32_t positions);
/* How many worker IDs are wanted; sample->run: no change. */
uint32_t run_policy_decide(struct run_policy *policy, const struct run_policy_sample *sample);
/* The run has grown; its effect is measured after `settle_ns`. */
void run_policy_grown(struct run_policy *policy, int64_t now_ns, int64_t settle_ns);
/* The lease has refused to let it grow. */
void run_policy_refused(struct run_policy *policy, int64_t now_ns);

/* -ERANGE, logged: more positions than a host can use. */
int run_policy_check(const struct config *config, const struct lease_grant *granted);
/* The most worker IDs that the run may ever have. */
uint32_t run_policy_most(const struct config *config, const struct lease_grant *granted);
/*
 * How many worker IDs the run begins with. `adopted` is how many the adopted ledger was
 * used for. They stay in use as far as they are still ours: the ledger knows all their
 * promises, and the fences of previous owners have passed. 0: the ledger is new, and the
 * clock is above all fences; then it is workers.count. See run.h.
 */
uint32_t run_policy_at_start(const struct config *config, const struct lease_grant *granted,
                             uint32_t adopted);
