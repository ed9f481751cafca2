/* SPDX-License-Identifier: MIT */
#include "daemon/clock/guard.h"

#include <errno.h>

static bool near(int64_t a, int64_t b) {
        wide_ns difference = (wide_ns)a - b;

        return difference >= -GUARD_SETTLED_NS && difference <= GUARD_SETTLED_NS;
}

/* The wall clock in ns since the epoch; negative before it. */
static int64_t wall_of(const struct guard *guard, const struct guard_reading *reading) {
        return time_clamped(reading->realtime_ns -
                            (wide_ns)guard->layout.epoch_unix_ms * NS_PER_TICK);
}

static uint64_t wall_tick(const struct guard *guard, const struct guard_reading *reading) {
        return clock_tick_of(wall_of(guard, reading));
}

static bool past_end(const struct guard *guard, uint64_t tick) {
        return tick != CLOCK_NOW_INVALID && tick >= id_tick_max(&guard->layout);
}

static int64_t small_ns(const struct guard *guard) {
        return GUARD_SMALL_S * guard->policy.max_slew_ns;
}

/* ---- the line */

static void guard_bend(struct guard *guard, int64_t boot_ns, int64_t ppb, int64_t stretch_ns) {
        if (!line_bend(&guard->line, boot_ns, ppb, stretch_ns))
                guard->undecided = true;
}

/* Wall clock less guarded time at the end of the slew that is under way. */
static int64_t led_to(const struct guard *guard, int64_t boot_ns, int64_t difference_ns) {
        return time_clamped((wide_ns)difference_ns - line_slew_left(&guard->line, boot_ns));
}

/* Slews the difference (wall clock less guarded time) away. */
static void guard_slew(struct guard *guard, int64_t boot_ns, int64_t difference_ns) {
        int64_t ppb = guard->policy.max_slew_ns; /* ns a second */
        wide_ns size = difference_ns < 0 ? -(wide_ns)difference_ns : difference_ns;

        guard_bend(guard, boot_ns, difference_ns < 0 ? -ppb : ppb,
                   time_clamped(size * NS_PER_S / ppb));
}

/* ---- what is decided */

static void guard_set_state(struct guard *guard, enum clock_state to, enum clock_reason reason,
                            int64_t resume_boot_ns, int64_t aim_ns) {
        guard->state = to;
        guard->reason = reason;
        guard->resume_boot_ns = resume_boot_ns;
        guard->aim_ns = aim_ns;
}

static void guard_set_running(struct guard *guard, enum clock_reason reason, int64_t aim_ns) {
        guard_set_state(guard, CLOCK_STATE_RUNNING, reason, 0, aim_ns);
}

/* The clock waits or fails, depending on the policy. */
static void guard_hold_back(struct guard *guard, enum clock_reason reason, int64_t resume_boot_ns,
                            int64_t aim_ns) {
        bool fail = guard->policy.on_rollback == GUARD_FAIL && !guard->accepted;

        guard_set_state(guard, fail ? CLOCK_STATE_FAILED : CLOCK_STATE_WAITING, reason,
                        resume_boot_ns, aim_ns);
}

/* How far ahead of the wall clock IDs may be. */
static int64_t allowed_offset(const struct guard *guard) {
        if (guard->accepted)
                return INT64_MAX;
        return guard->policy.on_rollback == GUARD_OFFSET ? guard->policy.max_offset_ns : 0;
}

static void decide_settled(struct guard *guard, int64_t boot_ns) {
        guard_bend(guard, boot_ns, 0, 0);
        guard_set_running(guard, CLOCK_REASON_NONE, 0);
        guard->accepted = false;
}

static void decide_ahead(struct guard *guard, const struct guard_reading *reading,
                         int64_t difference_ns, bool new) {
        bool far = past_end(guard, wall_tick(guard, reading)) ||
                   (difference_ns > guard->policy.max_forward_step_ns && !guard->accepted);

        int64_t boot_ns = reading->boottime_ns;

        guard_bend(guard, boot_ns, 0, 0);
        guard_set_running(guard, far ? CLOCK_REASON_HELD : CLOCK_REASON_STEPPING,
                          led_to(guard, boot_ns, difference_ns));
        guard->holds += far && new;
}

static void decide_behind(struct guard *guard, int64_t boot_ns, int64_t difference_ns, bool new) {
        int64_t behind_ns = time_clamped(-(wide_ns)difference_ns), allowed = allowed_offset(guard);
        int64_t stand_ns = behind_ns - allowed;

        guard->rollbacks += new;
        if (behind_ns <= allowed) {
                guard_slew(guard, boot_ns, difference_ns);
                /* the aim is 0, unless the slew takes longer than an int64_t counts */
                guard_set_running(guard, CLOCK_REASON_OFFSET,
                                  led_to(guard, boot_ns, difference_ns));
                return;
        }
        guard_bend(guard, boot_ns, LINE_STANDSTILL_PPB, stand_ns);
        guard_hold_back(guard, CLOCK_REASON_ROLLBACK,
                        guard->undecided ? time_clamped((wide_ns)boot_ns + LINE_LEAD_NS + stand_ns)
                                         : guard->line.slew_end_boot_ns,
                        -allowed);
}

/* `new`: the wall clock was set; false if the line just arrived where it aimed. */
static void guard_decide(struct guard *guard, const struct guard_reading *reading,
                         int64_t difference_ns, bool new) {
        int64_t boot_ns = reading->boottime_ns;

        guard->undecided = false;
        if (near(difference_ns, 0)) {
                decide_settled(guard, boot_ns);
        } else if (difference_ns > small_ns(guard)) {
                decide_ahead(guard, reading, difference_ns, new);
        } else if (difference_ns < -small_ns(guard)) {
                decide_behind(guard, boot_ns, difference_ns, new);
        } else {
                guard_slew(guard, boot_ns, difference_ns);
                guard_set_running(guard, CLOCK_REASON_SLEWING, 0);
        }
}

/* The slew has ended. */
static bool arrived(const struct guard *guard, int64_t boot_ns) {
        return guard->line.slew_ppb != 0 && boot_ns >= guard->line.slew_end_boot_ns;
}

static void stand_for_good(struct guard *guard, int64_t boot_ns) {
        guard->undecided = false;
        if (!line_slewing(&guard->line, boot_ns) || guard->line.slew_ppb != LINE_STANDSTILL_PPB ||
            guard->line.slew_end_boot_ns != INT64_MAX)
                guard_bend(guard, boot_ns, LINE_STANDSTILL_PPB, INT64_MAX);
        guard_set_state(guard, CLOCK_STATE_FAILED, CLOCK_REASON_CLONED, INT64_MAX, 0);
}

/* `covered`: the fence or the layout's end has hidden what was decided. */
static void guard_follow(struct guard *guard, const struct guard_reading *reading, bool covered) {
        int64_t boot_ns = reading->boottime_ns;
        int64_t guarded_ns = clock_line_at(&guard->line, boot_ns);
        int64_t difference_ns = time_clamped((wide_ns)wall_of(guard, reading) - guarded_ns);
        int64_t leads_ns = led_to(guard, boot_ns, difference_ns);
        bool new = !near(leads_ns, guard->led_ns);

        guard->offset_ns = time_clamped(-(wide_ns)difference_ns);
        /* what the operator accepted was another difference */
        guard->accepted = guard->accepted && !new;
        if (guard->cloned)
                stand_for_good(guard, boot_ns);
        else if (new || covered || guard->undecided || !near(leads_ns, guard->aim_ns) ||
                 arrived(guard, boot_ns))
                guard_decide(guard, reading, difference_ns, new);
        guard->led_ns = led_to(guard, boot_ns, difference_ns);
}

/* The line continues, but promises up to the fence are no longer known. */
static void wait_for_fence(struct guard *guard, int64_t boot_ns) {
        uint64_t tick = guard_tick(guard, boot_ns);

        if (!guard_ready(guard))
                return;
        if (past_end(guard, tick))
                guard_set_state(guard, CLOCK_STATE_FAILED, CLOCK_REASON_END, INT64_MAX,
                                guard->aim_ns);
        else if (!guard_above_fence(guard, tick))
                guard_set_state(guard, CLOCK_STATE_WAITING, CLOCK_REASON_FENCE,
                                clock_line_boot_of(&guard->line, guard->first_tick), guard->aim_ns);
}

/* Nobody has an ID of this line: it begins at the wall clock, or above the fence. */
static void guard_begin(struct guard *guard, const struct guard_reading *reading) {
        int64_t boot_ns = reading->boottime_ns, wall_ns = wall_of(guard, reading);
        int64_t first_ns = (int64_t)guard->first_tick * NS_PER_TICK;
        int64_t behind_ns = time_clamped((wide_ns)first_ns - wall_ns);
        /* a clock before the epoch is not set yet, so nothing can be continued from it */
        int64_t allowed = wall_ns < 0 && !guard->accepted ? 0 : allowed_offset(guard);

        guard->offset_ns = behind_ns > 0 && behind_ns <= allowed ? behind_ns : 0;
        line_begin(&guard->line, boot_ns, guard->offset_ns > 0 ? first_ns : wall_ns);
        if (guard->cloned)
                guard_set_state(guard, CLOCK_STATE_FAILED, CLOCK_REASON_CLONED, INT64_MAX, 0);
        else if (past_end(guard, wall_tick(guard, reading)))
                guard_set_state(guard, CLOCK_STATE_FAILED, CLOCK_REASON_END, INT64_MAX, 0);
        else if (guard->policy.require_sync && !reading->synchronised && !guard->accepted)
                guard_set_state(guard, CLOCK_STATE_WAITING, CLOCK_REASON_UNSYNC, INT64_MAX, 0);
        else if (behind_ns > allowed)
                guard_hold_back(guard, CLOCK_REASON_FENCE,
                                time_clamped((wide_ns)boot_ns + behind_ns - allowed), 0);
        else
                guard_set_running(guard, CLOCK_REASON_NONE, 0);
        guard->led_ns = -guard->offset_ns; /* not a new step */
        guard->undecided = true;
}

void guard_look(struct guard *guard, const struct guard_reading *reading) {
        if (!guard->served)
                guard_begin(guard, reading);
        if (!guard->served && !guard_ready(guard))
                return;
        guard->served = true;
        guard_follow(guard, reading,
                     guard->reason == CLOCK_REASON_FENCE || guard->reason == CLOCK_REASON_END);
        wait_for_fence(guard, reading->boottime_ns);
}

int64_t guard_deadline(const struct guard *guard) {
        int64_t at = guard->resume_boot_ns > 0 ? guard->resume_boot_ns : INT64_MAX;

        if (guard->reason == CLOCK_REASON_UNSYNC)
                return guard->line.boot_base_ns + GUARD_SYNC_LOOK_NS;
        if (guard->line.slew_ppb != 0 && guard->line.slew_end_boot_ns < at)
                at = guard->line.slew_end_boot_ns;
        return at;
}

/* ---- forward */

bool guard_wants_step(const struct guard *guard, const struct guard_reading *reading,
                      uint64_t *ret_tick) {
        if (guard->reason != CLOCK_REASON_STEPPING)
                return false;
        *ret_tick = wall_tick(guard, reading);
        return true;
}

void guard_step(struct guard *guard, const struct guard_reading *reading, uint64_t prepared_tick) {
        uint64_t tick;

        guard_look(guard, reading); /* the jump may have been undone */
        if (!guard_wants_step(guard, reading, &tick) || tick > prepared_tick)
                return;
        line_begin(&guard->line, reading->boottime_ns, wall_of(guard, reading));
        guard->forward_steps++;
        guard->offset_ns = guard->led_ns = 0;
        guard->accepted = false;
        guard->undecided = false;
        guard_set_running(guard, CLOCK_REASON_NONE, 0);
        wait_for_fence(guard, reading->boottime_ns);
}

/* ---- from outside */

void guard_move_forward(struct guard *guard, int64_t boottime_ns, int64_t guarded_ns) {
        line_begin(&guard->line, boottime_ns, guarded_ns);
        guard->undecided = true;
}

int guard_accept(struct guard *guard, const struct guard_reading *reading) {
        int64_t wall_ns = wall_of(guard, reading);

        if (guard->state == CLOCK_STATE_RUNNING && guard->reason != CLOCK_REASON_HELD)
                return -EALREADY;
        if (guard->reason == CLOCK_REASON_END || past_end(guard, wall_tick(guard, reading)))
                return -ERANGE;
        if (guard->reason == CLOCK_REASON_FENCE && guard->served)
                return -EBUSY;
        if (guard->cloned && guard->served &&
            wall_ns < clock_line_at(&guard->line, reading->boottime_ns))
                return -ERANGE;
        guard->cloned = false;
        guard->accepted = true;
        guard->undecided = true;
        return 0;
}

void guard_clone(struct guard *guard) {
        guard->cloned = true;
}

void guard_set_policy(struct guard *guard, const struct guard_policy *policy) {
        guard->policy = *policy;
        guard->undecided = true;
}

uint64_t guard_tick(const struct guard *guard, int64_t boottime_ns) {
        return clock_tick_of(clock_line_at(&guard->line, boottime_ns));
}

bool guard_above_fence(const struct guard *guard, uint64_t tick) {
        return guard->served && tick != CLOCK_NOW_INVALID && tick >= guard->first_tick;
}

/* ---- start */

/* The first tick above the fence. A fence of 0 means that no ID was ever issued. */
static uint64_t first_tick_above(uint64_t fence_tick) {
        return fence_tick == 0 ? 0 : fence_tick + 1;
}

int guard_start(struct guard *guard, const struct id_layout *layout,
                const struct guard_policy *policy, uint64_t fence_tick) {
        int64_t ns;

        if (fence_tick >= id_tick_max(layout) ||
            __builtin_mul_overflow((int64_t)first_tick_above(fence_tick), NS_PER_TICK, &ns) ||
            __builtin_mul_overflow(layout->epoch_unix_ms, NS_PER_TICK, &ns))
                return -ERANGE;
        *guard = (struct guard){ .layout = *layout, .policy = *policy,
                                 .first_tick = first_tick_above(fence_tick),
                                 .state = CLOCK_STATE_STARTING };
        return 0;
}

int guard_resume(struct guard *guard, const struct id_layout *layout,
                 const struct guard_policy *policy, const struct guard_legacy *legacy,
                 uint64_t fence_tick) {
        int r = guard_start(guard, layout, policy, fence_tick);

        if (r < 0)
                return r;
        guard->line = legacy->line;
        guard->led_ns = legacy->led_ns;
        guard->accepted = legacy->accepted;
        guard->cloned = legacy->reason == CLOCK_REASON_CLONED;
        guard->served = true;
        guard->undecided = true;
        return 0;
}
