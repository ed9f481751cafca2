/* SPDX-License-Identifier: MIT */
#pragma once
/* A guard in simulated time: its clocks, and a caller that looks when the guard is due. */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/clock/guard.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define HOUR (3600 * SECOND)
#define YEAR (8766 * HOUR)

#define START (1000 * HOUR)
#define START_TICK ((uint64_t)(START / MS))

#define RUNNING CLOCK_STATE_RUNNING
#define WAITING CLOCK_STATE_WAITING
#define FAILED CLOCK_STATE_FAILED
#define NONE CLOCK_REASON_NONE
#define SLEWING CLOCK_REASON_SLEWING
#define OFFSET CLOCK_REASON_OFFSET
#define HELD CLOCK_REASON_HELD
#define ROLLBACK CLOCK_REASON_ROLLBACK

struct guard_world {
        struct guard guard;
        int64_t boot_ns;
        int64_t wall_ns;    /* since the epoch, at boot_ns */
        int64_t guarded_ns; /* the highest value seen */
        bool synchronised;
        bool fence_stalls; /* a forward jump has to wait */
};

/* The default policy, and the same with another reaction to a step back. */
extern const struct guard_policy guard_world_policy;
struct guard_policy guard_world_policy_of(enum guard_rollback on_rollback);

void guard_world_start(struct guard_world *w, const struct guard_policy *policy, int64_t wall_ns,
                       uint64_t fence_tick);
struct guard_reading guard_world_reading(const struct guard_world *w);
void guard_world_look(struct guard_world *w);
/* Time passes; the guard is called whenever it asked for it. */
void guard_world_run(struct guard_world *w, int64_t ns);
/* The wall clock is set, and the guard looks. */
void guard_world_step(struct guard_world *w, int64_t by_ns);

/* Guarded time less wall clock. */
int64_t guard_world_ahead(const struct guard_world *w);
struct guard_legacy guard_world_legacy(const struct guard *guard);

void guard_world_expect(const struct guard_world *w, enum clock_state state,
                        enum clock_reason reason, const char *where);
void guard_world_expect_near(int64_t value, int64_t expected, const char *what);
