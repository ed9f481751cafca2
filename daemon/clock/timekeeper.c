/* SPDX-License-Identifier: MIT */
#include "daemon/clock/timekeeper.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/host/notify.h"
#include "daemon/util/kill_point.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"
#include "shm/probe.h"

#define DAY_NS (86400 * NS_PER_S)
#define YEAR_TICKS UINT64_C(31536000000)
/* A forward jump is prepared for somewhat more than its size: time passes while the fence
 * is written. */
#define STEP_AHEAD_TICKS 1000u
/* While anything is wrong the clocks are read this often, even if no source reports a
 * step. */
#define LOOK_NS NS_PER_S
/* How often a look that took too long is repeated. */
#define LOOKS_MAX 100

/* Rule 16: readers of the earlier line have reached what it says at that time. If the line
 * is behind that now, it is moved forward. */
static bool line_repair(struct timekeeper *keeper, const struct clock_line *earlier,
                        int64_t until_boot_ns) {
        int64_t boot_ns = wall_clock_boottime(keeper->wall_clock);
        int64_t reached_ns = clock_line_at(earlier, until_boot_ns);

        if (clock_line_at(&keeper->guard->line, boot_ns) >= reached_ns)
                return false;
        guard_move_forward(keeper->guard, boot_ns, reached_ns);
        return true;
}

/*
 * The earlier daemon died within a turn. When it began, readers had reached what the earlier
 * line said then. How late it was after that nobody knows, but it is dead: no reader was
 * ever further than the earlier line is now. So the clock is not moved that far, into the
 * future, but nothing is withdrawn below it (floor_tick).
 */
static void timekeeper_close_turn(struct timekeeper *keeper) {
        struct clock_line earlier;
        int64_t begun_ns;

        if (!clock_turn_open(keeper->clock, &earlier, &begun_ns))
                return;
        if (keeper->guard->served)
                keeper->floor_tick = clock_tick_of(
                        clock_line_at(&earlier, wall_clock_boottime(keeper->wall_clock)));
        /* a repair ends the turn once it is published */
        if (!keeper->guard->served || !line_repair(keeper, &earlier, begun_ns))
                clock_turn_end(keeper->clock);
}

void timekeeper_init(struct timekeeper *keeper) {
        keeper->state = CLOCK_STATE_STARTING;
        (void)clock_latch_begin(keeper->clock, &keeper->published);
        timekeeper_close_turn(keeper);
}

uint64_t timekeeper_last_tick(const struct timekeeper *keeper) {
        struct clock_line line;
        uint64_t tick;

        (void)clock_latch_begin(keeper->clock, &line);
        tick = clock_tick_of(clock_line_at(&line, wall_clock_boottime(keeper->wall_clock)));
        return tick > keeper->floor_tick ? tick : keeper->floor_tick;
}

/* ---- what others see */

static bool same_line(const struct clock_line *a, const struct clock_line *b) {
        return a->boot_base_ns == b->boot_base_ns && a->guarded_base_ns == b->guarded_base_ns &&
               a->slew_ppb == b->slew_ppb && a->slew_end_boot_ns == b->slew_end_boot_ns;
}

/* True if the line had to be moved forward, and must be decided again. */
static bool publish_line(struct timekeeper *keeper) {
        const struct guard *guard = keeper->guard;
        struct clock_line earlier = keeper->published;
        /* relaxed: this thread stores it. A line without readers may begin anywhere. */
        bool served = atomic_load_explicit(&keeper->clock->unserved, memory_order_relaxed) == 0;
        bool repaired;

        if (same_line(&guard->line, &earlier))
                return false;
        clock_turn_begin(keeper->clock, &earlier, wall_clock_boottime(keeper->wall_clock));
        clock_latch_write(keeper->clock, &guard->line);
        kill_point();
        /* seq_cst: the new line is visible before CLOCK_BOOTTIME is read. Whoever still reads
         * the earlier line has read its clock before, see ledger_withdraw(). */
        atomic_thread_fence(memory_order_seq_cst);
        repaired = served && line_repair(keeper, &earlier,
                                         wall_clock_boottime(keeper->wall_clock));
        if (repaired)
                clock_latch_write(keeper->clock, &guard->line);
        kill_point();
        clock_turn_end(keeper->clock);
        keeper->published = guard->line;
        return repaired;
}

static void publish_state(struct timekeeper *keeper) {
        const struct guard *guard = keeper->guard;
        struct clock_segment *clock = keeper->clock;
        int64_t resume = keeper->stuck != NULL ? INT64_MAX : guard->resume_boot_ns;

        /* relaxed: an independent number */
        atomic_store_explicit(&clock->offset_ns, guard->offset_ns, memory_order_relaxed);
        /* relaxed: for the next daemon */
        atomic_store_explicit(&clock->led_ns, guard->led_ns, memory_order_relaxed);
        atomic_store_explicit(&clock->accepted, guard->accepted, memory_order_relaxed);
        atomic_store_explicit(&clock->resume_boot_ns, resume, memory_order_relaxed);
        atomic_store_explicit(&clock->reason, keeper->reason, memory_order_relaxed);
        /* release: a reader that sees the state sees its reason and its end */
        atomic_store_explicit(&clock->state, keeper->state, memory_order_release);
        if (guard->served)
                /* The next daemon reads it after this one is gone. It comes before the
                 * first grant, which is a store of this thread as well. */
                atomic_store_explicit(&clock->unserved, 0, memory_order_release);
}

/* The guarded clock has no other reasons: those are of a daemon without worker IDs. */
static const struct log_event *const reason_events[] = {
        [CLOCK_REASON_NONE] = &EVENT_CLOCK_NONE,
        [CLOCK_REASON_SLEWING] = &EVENT_CLOCK_SLEWING,
        [CLOCK_REASON_OFFSET] = &EVENT_CLOCK_OFFSET,
        [CLOCK_REASON_STEPPING] = &EVENT_CLOCK_STEPPING,
        [CLOCK_REASON_HELD] = &EVENT_CLOCK_HELD,
        [CLOCK_REASON_FENCE] = &EVENT_CLOCK_FENCE,
        [CLOCK_REASON_ROLLBACK] = &EVENT_CLOCK_ROLLBACK,
        [CLOCK_REASON_UNSYNC] = &EVENT_CLOCK_UNSYNCHRONISED,
        [CLOCK_REASON_STUCK] = &EVENT_CLOCK_STUCK,
        [CLOCK_REASON_END] = &EVENT_CLOCK_END,
        [CLOCK_REASON_CLONED] = &EVENT_CLOCK_CLONED,
};

static enum log_level level_of(const struct timekeeper *keeper) {
        if (keeper->state == CLOCK_STATE_FAILED || keeper->reason == CLOCK_REASON_HELD)
                return LOG_LEVEL_ERROR;
        if (keeper->state == CLOCK_STATE_WAITING || keeper->reason == CLOCK_REASON_OFFSET)
                return LOG_LEVEL_WARNING;
        return LOG_LEVEL_NOTICE;
}

static void tell_manager(const struct timekeeper *keeper) {
        char text[TIMEKEEPER_TEXT], status[TIMEKEEPER_TEXT + 8];

        snprintf(status, sizeof(status), "STATUS=%s", timekeeper_text(keeper, text));
        (void)notify_send(status, NULL, 0);
}

static void timekeeper_tell(const struct timekeeper *keeper, bool first) {
        char text[TIMEKEEPER_TEXT];

        tell_manager(keeper);
        if (!first || keeper->reason != CLOCK_REASON_NONE)
                log_event(WITH(log_at(level_of(keeper), *reason_events[keeper->reason]),
                               FIELD(OFFSET_NS, keeper->guard->offset_ns)),
                          "%s", timekeeper_text(keeper, text));
}

/* Publishes what was decided, and reports it if it is new. True: decide again. */
static bool timekeeper_publish(struct timekeeper *keeper) {
        const struct guard *guard = keeper->guard;
        /* what the clock itself says comes first */
        bool stuck = keeper->stuck != NULL && guard_ready(guard);
        enum clock_state state = stuck ? CLOCK_STATE_FAILED : guard->state;
        enum clock_reason reason = stuck ? CLOCK_REASON_STUCK : guard->reason;
        bool first = keeper->state == CLOCK_STATE_STARTING;
        bool news = state != keeper->state || reason != keeper->reason ||
                    guard->rollbacks + guard->holds != keeper->incidents;
        bool again;

        keeper->state = state;
        keeper->reason = reason;
        keeper->incidents = guard->rollbacks + guard->holds;
        if (guard->rollbacks != keeper->rollbacks)
                keeper->rollback_unix_ms = time_ns(CLOCK_REALTIME) / NS_PER_MS;
        keeper->rollbacks = guard->rollbacks;
        again = publish_line(keeper);
        publish_state(keeper);
        if (news) {
                PROBE3(clock, state, reason, guard->offset_ns);
                timekeeper_tell(keeper, first);
                keeper->hooks->changed(keeper->context);
        }
        return again;
}

/* ---- looking */

static void read_clocks(struct timekeeper *keeper, struct guard_reading *ret) {
        char text[DESCRIBE_DURATION_TEXT];
        int64_t suspended_ns;

        (void)wall_clock_take(keeper->wall_clock, keeper->guard->policy.require_sync, ret,
                              &suspended_ns);
        if (suspended_ns > 0)
                log_event(WITH(EVENT_SUSPEND, FIELD(DURATION_NS, suspended_ns)),
                          "the machine was suspended for %s: the clock ran on meanwhile",
                          describe_duration(suspended_ns, text));
}

/* Rule 9: the fence, then the reservations, then the clock. */
static void follow_forward(struct timekeeper *keeper) {
        struct guard *guard = keeper->guard;
        uint64_t tick;

        /* again if the time that was prepared has passed meanwhile */
        for (int i = 0; i < LOOKS_MAX && guard_wants_step(guard, &keeper->reading, &tick); i++) {
                tick += STEP_AHEAD_TICKS;
                if (!keeper->hooks->prepare(keeper->context, tick))
                        return; /* the lease's thread wakes this one when the fence is raised */
                read_clocks(keeper, &keeper->reading);
                guard_step(guard, &keeper->reading, tick);
        }
}

/* Once a day, from a year before the end on. */
static void warn_of_end(struct timekeeper *keeper) {
        const struct guard *guard = keeper->guard;
        int64_t now_ns = keeper->reading.boottime_ns;
        uint64_t tick = guard_tick(guard, now_ns), last = id_tick_max(&guard->layout);

        if (tick >= last || last - tick > YEAR_TICKS ||
            (keeper->alarmed_boot_ns != 0 && now_ns - keeper->alarmed_boot_ns < DAY_NS))
                return;
        keeper->alarmed_boot_ns = now_ns;
        log_event(WITH(EVENT_EPOCH_END, FIELD(TICK, last)),
                  "the last tick of id.layout and id.epoch comes "
                  "in %" PRIu64 " days, and no ID follows it: plan the move to a new ID space",
                  (last - tick) / (YEAR_TICKS / 365));
}

static void look_at_machine(struct timekeeper *keeper) {
        if (clone_watch_changed(keeper->clone_watch))
                guard_clone(keeper->guard);
        if (clone_watch_disrupted(keeper->clone_watch))
                log_event(log_at(LOG_LEVEL_NOTICE, EVENT_MACHINE),
                          "the hypervisor says that the clock may "
                          "have jumped, as in a migration: a step is handled like any other");
}

/* Readers use the old line until a new one is published. If the daemon or the machine was
 * stopped in between, it is too late for that: the new line would lead back behind what
 * they have seen. (Stopped after this has looked, publish_line() finds it.) */
static bool too_late(struct timekeeper *keeper, int64_t read_boot_ns) {
        struct guard_reading now;

        if (same_line(&keeper->guard->line, &keeper->published))
                return false;
        read_clocks(keeper, &now);
        return now.boottime_ns - read_boot_ns > LINE_LEAD_NS / 2;
}

/* Returns the time of the first reading. */
static int64_t timekeeper_decide(struct timekeeper *keeper) {
        int64_t read_boot_ns;

        read_clocks(keeper, &keeper->reading);
        read_boot_ns = keeper->reading.boottime_ns;
        guard_look(keeper->guard, &keeper->reading);
        follow_forward(keeper);
        return read_boot_ns;
}

/* True: look again. */
static bool timekeeper_look_once(struct timekeeper *keeper) {
        struct guard before = *keeper->guard;
        int64_t read_boot_ns = timekeeper_decide(keeper);

        for (int i = 0; i < LOOKS_MAX && too_late(keeper, read_boot_ns); i++) {
                *keeper->guard = before;
                read_boot_ns = timekeeper_decide(keeper);
        }
        return timekeeper_publish(keeper);
}

void timekeeper_look(struct timekeeper *keeper) {
        look_at_machine(keeper);
        for (int i = 0; i < LOOKS_MAX && timekeeper_look_once(keeper); i++)
                ;
        warn_of_end(keeper);
}

void timekeeper_set_stuck(struct timekeeper *keeper, const char *why) {
        bool changed = (why == NULL) != (keeper->stuck == NULL);

        keeper->stuck = why;
        if (changed)
                (void)timekeeper_publish(keeper);
}

int64_t timekeeper_deadline(const struct timekeeper *keeper) {
        int64_t due_ns = guard_deadline(keeper->guard);
        int64_t again_ns = keeper->reading.boottime_ns + LOOK_NS;

        return keeper->reason != CLOCK_REASON_NONE && again_ns < due_ns ? again_ns : due_ns;
}

/* ---- questions */

bool timekeeper_ready(const struct timekeeper *keeper, int64_t *ret_resume_boot_ns) {
        if (keeper->state == CLOCK_STATE_RUNNING)
                return true;
        *ret_resume_boot_ns = keeper->stuck != NULL ? INT64_MAX : keeper->guard->resume_boot_ns;
        return false;
}

const char *timekeeper_text(const struct timekeeper *keeper, char text[TIMEKEEPER_TEXT]) {
        if (keeper->reason != CLOCK_REASON_STUCK)
                return describe_clock(keeper->guard, &keeper->reading, text);
        snprintf(text, TIMEKEEPER_TEXT, "%s", keeper->stuck);
        return text;
}

void timekeeper_tell_again(const struct timekeeper *keeper) {
        if (keeper->reason != CLOCK_REASON_NONE)
                tell_manager(keeper);
}

/* ---- from outside */

static const char *refusal_of(const struct timekeeper *keeper, int error) {
        if (error == -EALREADY)
                return "nothing is held back: the wall clock is already followed";
        if (error == -EBUSY)
                return "the promises up to the fence are not known: only time helps";
        if (keeper->guard->cloned)
                return "the wall clock is behind the last IDs: set it right first";
        return "the wall clock shows a time outside id.epoch and id.layout: set it right, or "
               "correct them";
}

int timekeeper_accept(struct timekeeper *keeper, char text[TIMEKEEPER_TEXT]) {
        int r;

        timekeeper_look(keeper);
        if (keeper->stuck != NULL) {
                timekeeper_text(keeper, text);
                return -EBUSY;
        }
        r = guard_accept(keeper->guard, &keeper->reading);
        if (r < 0) {
                snprintf(text, TIMEKEEPER_TEXT, "%s", refusal_of(keeper, r));
                return r;
        }
        timekeeper_look(keeper);
        timekeeper_text(keeper, text);
        return 0;
}
