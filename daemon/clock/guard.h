/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The guarded clock, which never goes back. It is a pure state machine: readings are
 * passed in, and tests simulate time. It decides the line (shm/clock.h) that turns
 * CLOCK_BOOTTIME into ticks, and whether IDs may be issued.
 *
 * All policies are one mechanism, the rate of the line. Where the wall clock is behind,
 * the line runs slower by clock.max_slew (logical time, `offset`) or stands still
 * (`wait`, `fail`) until the two meet. Where the wall clock is ahead, the line runs
 * faster, or jumps.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/clock/line.h"
#include "daemon/util/time.h"
#include "shm/clock.h"
#include "shm/id.h"

/* clock.on_rollback: what happens when the wall clock is behind. */
enum guard_rollback {
        GUARD_OFFSET, /* continue with logical time, slewed back */
        GUARD_WAIT,   /* stand still until the wall clock has caught up */
        GUARD_FAIL,   /* likewise, and every call fails at once */
};

/* The [clock] section of the configuration. */
struct guard_policy {
        enum guard_rollback on_rollback;
        int64_t max_offset_ns;       /* GUARD_OFFSET: how far ahead of the wall clock */
        int64_t max_forward_step_ns; /* a larger forward jump is held until accepted */
        int64_t max_slew_ns;         /* of a difference, slewed away each second */
        bool require_sync;           /* no ID before the kernel's clock is synchronised */
};

struct guard_reading {
        int64_t realtime_ns; /* Unix */
        int64_t boottime_ns;
        bool synchronised; /* the kernel's clock, as adjtimex(2) says */
};

/* A difference up to this counts as none: an ID shows no smaller one. */
#define GUARD_SETTLED_NS NS_PER_TICK
/* A difference that can be slewed away within this many seconds is small, and no step. */
#define GUARD_SMALL_S 10
/* How often an unsynchronised kernel clock is read again. */
#define GUARD_SYNC_LOOK_NS NS_PER_S

struct guard {
        struct id_layout layout;
        struct guard_policy policy;
        /* the decision */
        struct clock_line line;
        enum clock_state state;
        enum clock_reason reason;
        int64_t resume_boot_ns; /* as in the clock segment */
        int64_t offset_ns;      /* guarded time less wall clock */
        bool served;            /* IDs of this line may exist: it may not go back any more */
        /* since this daemon started */
        uint64_t rollbacks;     /* times the wall clock went back by more than a small difference */
        uint64_t forward_steps; /* forward jumps that were followed */
        uint64_t holds;         /* forward jumps that were held */
        /* what led to the decision */
        uint64_t first_tick; /* IDs begin here, above the fence found at the start */
        int64_t aim_ns;      /* wall clock less guarded time, to which the line is to lead */
        int64_t led_ns;      /* and to which it led at the last look: only a step changes that */
        bool accepted;       /* the operator has said that the wall clock is right */
        bool cloned;
        bool undecided; /* the next look decides anew: a change is half made, or the policy
                           or the operator's word is new */
};

/* What the next daemon must know about this one's clock. The clock segment holds it. */
struct guard_legacy {
        struct clock_line line;
        enum clock_reason reason;
        int64_t led_ns;
        bool accepted;
};

/* For a boot without a published line, or with one from which no ID was made. Ticks at or
 * below `fence_tick` (0: none) must not be issued. guard_look() comes next. -ERANGE: the
 * fence is at the layout's end, or the epoch is out of range; the caller logs it. */
int guard_start(struct guard *guard, const struct id_layout *layout,
                const struct guard_policy *policy, uint64_t fence_tick);

/* Continues the published line of an earlier daemon of this boot, so that the clock
 * neither steps nor starts anew (rule 9). `fence_tick` is 0 if the ledger segment survived
 * as well: then it is the truth about what was promised, and there is nothing to wait
 * for. */
int guard_resume(struct guard *guard, const struct id_layout *layout,
                 const struct guard_policy *policy, const struct guard_legacy *legacy,
                 uint64_t fence_tick);

/* Another policy holds from the next look on. What was accepted stays accepted. */
void guard_set_policy(struct guard *guard, const struct guard_policy *policy);

/* Decides by a reading. Readings never go back in CLOCK_BOOTTIME. */
void guard_look(struct guard *guard, const struct guard_reading *reading);
/* The CLOCK_BOOTTIME by which to look again even if nothing was noticed, or INT64_MAX. */
int64_t guard_deadline(const struct guard *guard);

/* A forward jump is being followed (reason STEPPING). Before guard_step() moves the line,
 * the fence must be above *ret_tick and the reservations must hold there (rule 9).
 * guard_step() moves it only if the wall clock is not above that tick. */
bool guard_wants_step(const struct guard *guard, const struct guard_reading *reading,
                      uint64_t *ret_tick);
void guard_step(struct guard *guard, const struct guard_reading *reading, uint64_t prepared_tick);

/* Readers may have seen the line reach that point, which it had not: it continues there. The
 * next look decides anew. */
void guard_move_forward(struct guard *guard, int64_t boottime_ns, int64_t guarded_ns);

/* The operator says: the wall clock is right, follow it. -EALREADY: it is followed;
 * -EBUSY: only time helps (FENCE, of a line that continues); -ERANGE: it shows a time
 * outside the layout, or (CLONED) a time before the last IDs. guard_look() comes next. */
int guard_accept(struct guard *guard, const struct guard_reading *reading);

/* The machine was cloned or reverted to an earlier state: a twin may issue the same IDs,
 * the first ones included. guard_look() comes next. */
void guard_clone(struct guard *guard);

/* May grants be made now? */
static inline bool guard_ready(const struct guard *guard) {
        return guard->state == CLOCK_STATE_RUNNING;
}
uint64_t guard_tick(const struct guard *guard, int64_t boottime_ns);
/* Is the tick above everything that may have been issued before this boot's ledger? */
bool guard_above_fence(const struct guard *guard, uint64_t tick);
