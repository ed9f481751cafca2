/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The guarded clock: never backward. A pure state machine; readings are passed
 * in, time is simulated in tests. It decides the line (shm/clock.h) which turns
 * CLOCK_BOOTTIME into ticks, and whether IDs may be given.
 *
 * All policies are one mechanism, the rate of the line. Where the wall clock is
 * behind, the line runs slower by clock.max_slew (logical time, `offset`) or
 * stands still (`wait`, `fail`) until the two have met. Where the wall clock is
 * ahead, the line runs faster, or jumps.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/clock/line.h"
#include "daemon/util/time.h"
#include "shm/clock.h"
#include "shm/id.h"

/* clock.on_rollback: what happens when the wall clock is found behind. */
enum guard_rollback {
        GUARD_OFFSET, /* go on with logical time, slewed back */
        GUARD_WAIT,   /* stand still until the wall clock has caught up */
        GUARD_FAIL,   /* the same, and every call fails at once */
};

/* The [clock] section of the configuration. */
struct guard_policy {
        enum guard_rollback on_rollback;
        int64_t max_offset_ns;       /* GUARD_OFFSET: how far ahead of the wall clock */
        int64_t max_forward_step_ns; /* a larger forward jump is held until accepted */
        int64_t max_slew_ns;         /* of a difference, worked off each second */
        bool require_sync;           /* no ID of a boot before the kernel's clock is synchronised */
};

struct guard_reading {
        int64_t realtime_ns; /* Unix */
        int64_t boottime_ns;
        bool synchronised; /* the kernel's clock is, as adjtimex(2) tells */
};

/* Differences up to here are none: the smallest that an ID shows. */
#define GUARD_SETTLED_NS NS_PER_TICK
/* What can be slewed away in that many seconds is small: no step. */
#define GUARD_SMALL_S 10
/* How often an unsynchronised kernel clock is looked at again. */
#define GUARD_SYNC_LOOK_NS NS_PER_S

struct guard {
        struct id_layout layout;
        struct guard_policy policy;
        /* what is decided */
        struct clock_line line;
        enum clock_state state;
        enum clock_reason reason;
        int64_t resume_boot_ns; /* as in the clock segment */
        int64_t offset_ns;      /* guarded time less wall clock */
        bool served;            /* IDs of this line may exist: it never goes backward any more */
        /* since this daemon's start */
        uint64_t rollbacks;     /* the wall clock went back by more than is small */
        uint64_t forward_steps; /* forward jumps that were followed */
        uint64_t holds;         /* forward jumps that were held */
        /* how it came to that */
        uint64_t first_tick; /* IDs begin here: above the fence found at start */
        int64_t aim_ns;      /* wall clock less guarded time, where the line shall lead */
        int64_t led_ns;      /* and where it led at the last look: only a step changes that */
        bool accepted;       /* a person has said that the wall clock is right */
        bool cloned;
        bool undecided; /* the next look decides anew: half of a change is made, or another
                           policy or word holds */
};

/* What the next daemon must know of this one's clock; the clock segment holds it. */
struct guard_legacy {
        struct clock_line line;
        enum clock_reason reason;
        int64_t led_ns;
        bool accepted;
};

/* A boot without a published line, or with one nobody got an ID of. Ticks at or
 * below `fence_tick` (0: none) must not be issued. Then guard_look(). -ERANGE: the
 * fence is at the layout's end, or the epoch is out of range (the caller says so). */
int guard_start(struct guard *guard, const struct id_layout *layout,
                const struct guard_policy *policy, uint64_t fence_tick);

/* Goes on with the published line of an earlier daemon of this boot, so that the
 * clock neither steps nor starts anew (rule 9). `fence_tick` is 0 when the
 * ledger segment survived as well: it is then the truth about what was promised
 * and there is nothing to wait for. */
int guard_resume(struct guard *guard, const struct id_layout *layout,
                 const struct guard_policy *policy, const struct guard_legacy *legacy,
                 uint64_t fence_tick);

/* Another policy holds from the next look on; what was accepted stays so. */
void guard_set_policy(struct guard *guard, const struct guard_policy *policy);

/* Looks at the clocks and decides. Readings never go back in CLOCK_BOOTTIME. */
void guard_look(struct guard *guard, const struct guard_reading *reading);
/* CLOCK_BOOTTIME by which to look again though nothing was noticed; INT64_MAX. */
int64_t guard_deadline(const struct guard *guard);

/* A forward jump is being followed (reason STEPPING): the fence must be above
 * *ret_tick and the reservations must hold there, before guard_step() moves the
 * line, rule 9. It does so only if the wall clock is not above that tick. */
bool guard_wants_step(const struct guard *guard, const struct guard_reading *reading,
                      uint64_t *ret_tick);
void guard_step(struct guard *guard, const struct guard_reading *reading, uint64_t prepared_tick);

/* A person says: the wall clock is right, follow it. -EALREADY: it is followed;
 * -EBUSY: only time helps (FENCE, of a line that goes on); -ERANGE: it shows a time
 * outside the layout, or (CLONED) one before the last IDs. Then guard_look(). */
int guard_accept(struct guard *guard, const struct guard_reading *reading);

/* The machine was cloned or reverted to an earlier state: a twin may give the
 * same IDs, also the first ones. Then guard_look(). */
void guard_clone(struct guard *guard);

/* May grants be made at this CLOCK_BOOTTIME? */
static inline bool guard_ready(const struct guard *guard) {
        return guard->state == CLOCK_STATE_RUNNING;
}
uint64_t guard_tick(const struct guard *guard, int64_t boottime_ns);
/* Is that tick above all that may have been issued before this boot's ledger? */
bool guard_above_fence(const struct guard *guard, uint64_t tick);
