/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>

#include "guard_world.h"

#define START (1000 * HOUR)
#define START_TICK ((uint64_t)(START / MS))

static struct guard_policy policy_of(enum guard_rollback on_rollback) {
        struct guard_policy policy = policy_default;

        policy.on_rollback = on_rollback;
        return policy;
}

static void expect(const struct guard_world *w, enum clock_state state, enum clock_reason reason,
                   const char *where) {
        cr_assert(w->guard.state == state && w->guard.reason == reason,
                  "%s: %s/%s, expected %s/%s", where, clock_state_name(w->guard.state),
                  clock_reason_name(w->guard.reason), clock_state_name(state),
                  clock_reason_name(reason));
}

static void expect_near(int64_t value, int64_t expected, const char *what) {
        int64_t tolerance = GUARD_SETTLED_NS + LINE_LEAD_NS;

        cr_assert(value >= expected - tolerance && value <= expected + tolerance,
                  "%s: %ld ms, expected %ld ms", what, (long)(value / MS), (long)(expected / MS));
}

/*
 * The transitions: from a running clock, the wall clock is set by `step_ns`.
 * What is decided at once, and how far guarded time is ahead of the wall clock
 * after `later_ns`, in which state.
 */
struct transition {
        const char *name;
        enum guard_rollback on_rollback;
        int64_t step_ns;
        enum clock_state state;
        enum clock_reason reason;
        int64_t later_ns;
        int64_t ahead_ns;
        enum clock_state later_state;
        enum clock_reason later_reason;
        unsigned rollbacks, forward_steps, holds;
};

#define RUNNING CLOCK_STATE_RUNNING
#define WAITING CLOCK_STATE_WAITING
#define FAILED CLOCK_STATE_FAILED
#define NONE CLOCK_REASON_NONE
#define SLEWING CLOCK_REASON_SLEWING
#define OFFSET CLOCK_REASON_OFFSET
#define HELD CLOCK_REASON_HELD
#define ROLLBACK CLOCK_REASON_ROLLBACK

static const struct transition transitions[] = {
        { "nothing", GUARD_OFFSET, 0, RUNNING, NONE, HOUR, 0, RUNNING, NONE, 0, 0, 0 },
        { "1 ms back", GUARD_OFFSET, -MS, RUNNING, NONE, HOUR, MS, RUNNING, NONE, 0, 0, 0 },
        { "3 ms back", GUARD_OFFSET, -3 * MS, RUNNING, SLEWING, SECOND, 0, RUNNING, NONE, 0, 0, 0 },
        { "3 ms back, wait", GUARD_WAIT, -3 * MS, RUNNING, SLEWING, SECOND, 0, RUNNING, NONE,
          0, 0, 0 },
        { "100 ms back, fail", GUARD_FAIL, -100 * MS, RUNNING, SLEWING, 5 * SECOND, 50 * MS,
          RUNNING, SLEWING, 0, 0, 0 },
        { "3 ms forward", GUARD_OFFSET, 3 * MS, RUNNING, SLEWING, SECOND, 0, RUNNING, NONE,
          0, 0, 0 },
        { "100 ms forward", GUARD_OFFSET, 100 * MS, RUNNING, SLEWING, 5 * SECOND, -50 * MS,
          RUNNING, SLEWING, 0, 0, 0 },
        { "leap second", GUARD_OFFSET, -SECOND, RUNNING, OFFSET, 50 * SECOND, SECOND / 2,
          RUNNING, OFFSET, 1, 0, 0 },
        { "leap second, in the end", GUARD_OFFSET, -SECOND, RUNNING, OFFSET, 101 * SECOND, 0,
          RUNNING, NONE, 1, 0, 0 },
        { "10 s back", GUARD_OFFSET, -10 * SECOND, RUNNING, OFFSET, 500 * SECOND, 5 * SECOND,
          RUNNING, OFFSET, 1, 0, 0 },
        { "an hour back", GUARD_OFFSET, -HOUR, WAITING, ROLLBACK, HOUR - 11 * SECOND,
          11 * SECOND, WAITING, ROLLBACK, 1, 0, 0 },
        { "an hour back, beyond the wait", GUARD_OFFSET, -HOUR, WAITING, ROLLBACK, HOUR,
          10 * SECOND - 100 * MS, RUNNING, OFFSET, 1, 0, 0 },
        { "ten years back", GUARD_OFFSET, -10 * YEAR, WAITING, ROLLBACK, YEAR, 9 * YEAR, WAITING,
          ROLLBACK, 1, 0, 0 },
        { "a second back, wait", GUARD_WAIT, -SECOND, WAITING, ROLLBACK, SECOND / 2, SECOND / 2,
          WAITING, ROLLBACK, 1, 0, 0 },
        { "a second back, after the wait", GUARD_WAIT, -SECOND, WAITING, ROLLBACK,
          SECOND + 5 * MS, 0, RUNNING, NONE, 1, 0, 0 },
        { "a second back, fail", GUARD_FAIL, -SECOND, FAILED, ROLLBACK, SECOND / 2, SECOND / 2,
          FAILED, ROLLBACK, 1, 0, 0 },
        { "a second back, failed until then", GUARD_FAIL, -SECOND, FAILED, ROLLBACK,
          SECOND + 5 * MS, 0, RUNNING, NONE, 1, 0, 0 },
        { "a second forward", GUARD_OFFSET, SECOND, RUNNING, NONE, SECOND, 0, RUNNING, NONE,
          0, 1, 0 },
        { "a minute forward", GUARD_FAIL, 60 * SECOND, RUNNING, NONE, SECOND, 0, RUNNING, NONE,
          0, 1, 0 },
        { "more than a minute forward", GUARD_OFFSET, 61 * SECOND, RUNNING, HELD, HOUR,
          -61 * SECOND, RUNNING, HELD, 0, 0, 1 },
        { "ten years forward", GUARD_WAIT, 10 * YEAR, RUNNING, HELD, YEAR, -10 * YEAR, RUNNING,
          HELD, 0, 0, 1 },
};

/* The table of the state machine. Red when any decision, its rate or its end
 * changes: each row tells the course of one. */
Test(guard, transitions) {
        for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
                const struct transition *t = &transitions[i];
                struct guard_policy policy = policy_of(t->on_rollback);
                struct guard_world w = { .synchronised = true };

                guard_world_start(&w, &policy, START, START_TICK - 1);
                expect(&w, RUNNING, NONE, t->name);
                guard_world_run(&w, HOUR);
                guard_world_step(&w, t->step_ns);
                expect(&w, t->state, t->reason, t->name);
                guard_world_run(&w, t->later_ns);
                expect(&w, t->later_state, t->later_reason, t->name);
                expect_near(guard_world_ahead(&w), t->ahead_ns, t->name);
                cr_assert_eq(w.guard.rollbacks, t->rollbacks, "%s: rollbacks", t->name);
                cr_assert_eq(w.guard.forward_steps, t->forward_steps, "%s: steps", t->name);
                cr_assert_eq(w.guard.holds, t->holds, "%s: holds", t->name);
        }
}

/* A held jump ends when the wall clock comes back, and it leaves nothing behind. */
Test(guard, a_held_jump_ends_by_itself) {
        struct guard_world w = { .synchronised = true };

        guard_world_start(&w, &policy_default, START, 0);
        guard_world_step(&w, HOUR);
        expect(&w, RUNNING, HELD, "held");
        guard_world_run(&w, 10 * SECOND);
        guard_world_step(&w, -HOUR);
        expect(&w, RUNNING, NONE, "back");
        expect_near(guard_world_ahead(&w), 0, "ahead");
        cr_assert_eq(w.guard.rollbacks, 0, "coming back is no rollback");
}

Test(guard, a_held_jump_is_followed_once_accepted) {
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;

        guard_world_start(&w, &policy_default, START, 0);
        guard_world_step(&w, 10 * YEAR);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        guard_world_look(&w);
        expect(&w, RUNNING, NONE, "accepted");
        expect_near(guard_world_ahead(&w), 0, "ahead");
        cr_assert_eq(w.guard.forward_steps, 1);
        cr_assert_eq(guard_accept(&w.guard, &reading), -EALREADY);
        /* it was that jump which was accepted, not the next */
        guard_world_step(&w, HOUR);
        expect(&w, RUNNING, HELD, "the next");
}

/* Nothing moves before the fence is durable, and only up to what was prepared. */
Test(guard, U3_a_forward_jump_waits_for_the_fence) {
        struct guard_world w = { .synchronised = true, .fence_stalls = true };
        struct guard_reading reading;
        uint64_t tick;

        guard_world_start(&w, &policy_default, START, 0);
        guard_world_step(&w, 30 * SECOND);
        expect(&w, RUNNING, CLOCK_REASON_STEPPING, "set");
        guard_world_run(&w, SECOND);
        expect(&w, RUNNING, CLOCK_REASON_STEPPING, "a second later");
        expect_near(guard_world_ahead(&w), -30 * SECOND, "ahead");
        reading = guard_world_reading(&w);
        cr_assert(guard_wants_step(&w.guard, &reading, &tick));
        cr_assert_eq(tick, (uint64_t)(w.wall_ns / MS));
        guard_step(&w.guard, &reading, tick - 1);
        expect_near(guard_world_ahead(&w), -30 * SECOND, "not prepared");
        guard_step(&w.guard, &reading, tick);
        expect(&w, RUNNING, NONE, "prepared");
        expect_near(guard_world_ahead(&w), 0, "followed");
}

/* A wait is left at once when a person says so, ahead of the wall clock. */
Test(guard, a_rollback_is_left_once_accepted) {
        enum guard_rollback policies[] = { GUARD_OFFSET, GUARD_WAIT, GUARD_FAIL };

        for (size_t i = 0; i < 3; i++) {
                struct guard_policy policy = policy_of(policies[i]);
                struct guard_world w = { .synchronised = true };
                struct guard_reading reading;

                guard_world_start(&w, &policy, START, 0);
                guard_world_step(&w, -HOUR);
                guard_world_run(&w, 10 * SECOND);
                cr_assert_neq(w.guard.state, RUNNING);
                reading = guard_world_reading(&w);
                cr_assert_eq(guard_accept(&w.guard, &reading), 0);
                guard_world_look(&w);
                expect(&w, RUNNING, OFFSET, "accepted");
                guard_world_run(&w, SECOND);
                expect_near(guard_world_ahead(&w), HOUR - 10 * SECOND - 10 * MS, "slewing");
        }
}

/* What was accepted is gone on with by the next daemon; another step is not. */
Test(guard, an_accepted_offset_survives_a_restart) {
        struct guard_policy policy = policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;
        struct clock_line line;

        guard_world_start(&w, &policy, START, 0);
        guard_world_step(&w, -HOUR);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        guard_world_look(&w);
        guard_world_run(&w, SECOND);
        line = w.guard.line;
        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &policy, &line, 0, OFFSET), 0);
        guard_world_look(&w);
        expect(&w, RUNNING, OFFSET, "the next daemon");
        cr_assert_eq(w.guard.rollbacks, 0);
        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &policy, &line, 0, OFFSET), 0);
        guard_world_step(&w, -SECOND);
        expect(&w, WAITING, ROLLBACK, "set back meanwhile");
}

/* A wait, a hold, a slew: the next daemon goes on with what it finds. */
Test(guard, A1_a_restart_decides_the_same) {
        for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
                const struct transition *t = &transitions[i];
                struct guard_policy policy = policy_of(t->on_rollback);
                struct guard_world w = { .synchronised = true };
                struct clock_line line;
                int64_t part;

                guard_world_start(&w, &policy, START, 0);
                guard_world_step(&w, t->step_ns);
                part = t->later_ns / 7;
                for (int restart = 0; restart < 6; restart++) {
                        enum clock_reason was = w.guard.reason;

                        line = w.guard.line;
                        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &policy, &line, 0,
                                                  was), 0);
                        guard_world_look(&w);
                        guard_world_run(&w, part);
                }
                guard_world_run(&w, t->later_ns - 6 * part);
                expect(&w, t->later_state, t->later_reason, t->name);
                expect_near(guard_world_ahead(&w), t->ahead_ns, t->name);
        }
}

/* Two and more steps, one into the course of the other. The course is another
 * rate each time, and never leads back (guard_world_check). */
Test(guard, T1_a_step_during_another_ones_course) {
        int64_t steps[] = { -20 * MS, 20 * MS, -SECOND, SECOND, -HOUR, HOUR, -5 * SECOND, 50 * MS };
        enum guard_rollback policies[] = { GUARD_OFFSET, GUARD_WAIT, GUARD_FAIL };

        for (size_t p = 0; p < 3; p++)
                for (size_t i = 0; i < 8 * 8; i++) {
                        struct guard_policy policy = policy_of(policies[p]);
                        struct guard_world w = { .synchronised = true };

                        guard_world_start(&w, &policy, START, 0);
                        guard_world_step(&w, steps[i / 8]);
                        guard_world_run(&w, 300 * MS);
                        guard_world_step(&w, steps[i % 8]);
                        guard_world_run(&w, MS);
                        guard_world_step(&w, -steps[i / 8] - steps[i % 8]);
                        guard_world_run(&w, 3 * HOUR);
                        expect(&w, RUNNING, NONE, "in the end");
                        expect_near(guard_world_ahead(&w), 0, "in the end");
                }
}

struct start {
        const char *name;
        enum guard_rollback on_rollback;
        int64_t behind_ns; /* the wall clock is that far behind the first tick above the fence */
        enum clock_state state;
        int64_t wait_ns;  /* until the first ID */
        int64_t ahead_ns; /* of the wall clock, then */
};

static const struct start starts[] = {
        { "above", GUARD_WAIT, -HOUR, RUNNING, 0, 0 },
        { "just there", GUARD_FAIL, 0, RUNNING, 0, 0 },
        { "a tick behind", GUARD_WAIT, 1, WAITING, 1, 0 },
        { "a minute", GUARD_WAIT, 60 * SECOND, WAITING, 60 * SECOND, 0 },
        { "a minute, fail", GUARD_FAIL, 60 * SECOND, FAILED, 60 * SECOND, 0 },
        { "seconds", GUARD_OFFSET, 8 * SECOND, RUNNING, 0, 8 * SECOND },
        { "a minute, offset", GUARD_OFFSET, 60 * SECOND, WAITING, 50 * SECOND, 10 * SECOND },
        { "ten years", GUARD_OFFSET, 10 * YEAR, WAITING, 10 * YEAR - 10 * SECOND, 10 * SECOND },
};

/* U3: a fence found at start is above all that may exist; IDs begin above it,
 * by the same policies. */
Test(guard, U3_a_start_below_the_fence) {
        for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
                const struct start *s = &starts[i];
                struct guard_policy policy = policy_of(s->on_rollback);
                struct guard_world w = { .synchronised = true };
                uint64_t first = START_TICK + (uint64_t)(10 * YEAR / MS);

                guard_world_start(&w, &policy, (int64_t)first * MS - s->behind_ns, first - 1);
                expect(&w, s->state, s->state == RUNNING ? w.guard.reason : CLOCK_REASON_FENCE,
                       s->name);
                cr_assert_eq(w.guard.rollbacks, 0, "%s: nothing was set back", s->name);
                if (s->wait_ns > 0) {
                        cr_assert_eq(w.guard.resume_boot_ns, w.boot_ns + s->wait_ns, "%s", s->name);
                        guard_world_run(&w, s->wait_ns - 1);
                        cr_assert_not(guard_ready(&w.guard), "%s: too early", s->name);
                        guard_world_run(&w, 1);
                }
                cr_assert(guard_ready(&w.guard), "%s", s->name);
                cr_assert_geq(guard_tick(&w.guard, w.boot_ns), first, "%s: U3", s->name);
                cr_assert(guard_above_fence(&w.guard, guard_tick(&w.guard, w.boot_ns)));
                if (s->behind_ns >= 0)
                        expect_near(guard_world_ahead(&w), s->ahead_ns, s->name);
        }
}

/* Nobody has an ID yet: a clock that is set while waiting is simply followed. */
Test(guard, a_clock_that_is_set_before_the_first_ID_is_followed) {
        struct guard_policy policy = policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };

        guard_world_start(&w, &policy, -50 * YEAR, START_TICK);
        expect(&w, WAITING, CLOCK_REASON_FENCE, "before the epoch");
        guard_world_run(&w, SECOND);
        guard_world_step(&w, 60 * YEAR);
        expect(&w, RUNNING, NONE, "set");
        expect_near(guard_world_ahead(&w), 0, "set");
        cr_assert_eq(w.guard.forward_steps + w.guard.holds, 0);
}

/* Before the epoch there is no tick; an offset of up to 10 s does not make one. */
Test(guard, before_the_epoch_there_are_no_IDs) {
        struct guard_world w = { .synchronised = true };

        guard_world_start(&w, &policy_default, -5 * SECOND, 0);
        expect(&w, WAITING, CLOCK_REASON_FENCE, "before the epoch");
        guard_world_run(&w, 5 * SECOND);
        cr_assert(guard_ready(&w.guard));
        cr_assert_eq(guard_tick(&w.guard, w.boot_ns), 0);
}

Test(guard, an_unsynchronised_clock_is_waited_for) {
        struct guard_policy policy = policy_default;
        struct guard_world w = { .synchronised = false };
        struct guard_reading reading;

        policy.require_sync = true;
        guard_world_start(&w, &policy, START, 0);
        expect(&w, WAITING, CLOCK_REASON_UNSYNC, "start");
        guard_world_run(&w, HOUR);
        expect(&w, WAITING, CLOCK_REASON_UNSYNC, "an hour later");
        w.synchronised = true;
        guard_world_run(&w, GUARD_SYNC_LOOK_NS);
        expect(&w, RUNNING, NONE, "synchronised");
        w.synchronised = false;
        guard_world_run(&w, HOUR);
        guard_world_look(&w);
        expect(&w, RUNNING, NONE, "only before the first ID");

        w.synchronised = false;
        guard_world_start(&w, &policy, START, 0);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        guard_world_look(&w);
        expect(&w, RUNNING, NONE, "accepted");
}

/* The ledger was lost with the daemon: the line goes on, and waits. */
Test(guard, U3_a_line_that_goes_on_waits_for_the_fence) {
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;
        struct clock_line line;

        guard_world_start(&w, &policy_default, START, 0);
        guard_world_run(&w, SECOND);
        line = w.guard.line;
        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &policy_default, &line,
                                  START_TICK + 60999, NONE), 0);
        guard_world_look(&w);
        expect(&w, WAITING, CLOCK_REASON_FENCE, "resumed");
        cr_assert_eq(w.guard.resume_boot_ns, w.boot_ns + 60 * SECOND);
        cr_assert_not(guard_above_fence(&w.guard, guard_tick(&w.guard, w.boot_ns)));
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), -EBUSY);
        /* a rollback meanwhile hides the fence, and does not remove it */
        guard_world_step(&w, -HOUR);
        expect(&w, WAITING, ROLLBACK, "set back");
        cr_assert_not(guard_above_fence(&w.guard, guard_tick(&w.guard, w.boot_ns)));
        guard_world_step(&w, HOUR);
        expect(&w, WAITING, CLOCK_REASON_FENCE, "and forward");
        guard_world_run(&w, 60 * SECOND - 1);
        cr_assert_not(guard_ready(&w.guard));
        guard_world_run(&w, 10 * MS);
        expect(&w, RUNNING, NONE, "passed");
}

/* U1: a machine that was reverted does not go on by itself, restarts or not. */
Test(guard, U1_a_cloned_machine_stands_still) {
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;
        struct clock_line line;
        uint64_t tick;

        guard_world_start(&w, &policy_default, START, 0);
        guard_world_step(&w, -SECOND); /* while a slew is under way */
        guard_clone(&w.guard);
        guard_world_look(&w);
        guard_world_run(&w, 2 * LINE_LEAD_NS);
        expect(&w, FAILED, CLOCK_REASON_CLONED, "cloned");
        tick = guard_tick(&w.guard, w.boot_ns);
        guard_world_run(&w, HOUR);
        guard_world_step(&w, HOUR);
        expect(&w, FAILED, CLOCK_REASON_CLONED, "whatever the clock does");
        line = w.guard.line;
        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &policy_default, &line, 0,
                                  CLOCK_REASON_CLONED), 0);
        guard_world_look(&w);
        guard_world_run(&w, HOUR);
        expect(&w, FAILED, CLOCK_REASON_CLONED, "the next daemon");
        cr_assert_eq(guard_tick(&w.guard, w.boot_ns), tick);
        guard_world_step(&w, -10 * HOUR);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), -ERANGE, "behind the last IDs");
        guard_world_step(&w, 10 * HOUR);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        guard_world_look(&w);
        guard_world_run(&w, SECOND);
        expect(&w, RUNNING, NONE, "accepted");
        expect_near(guard_world_ahead(&w), 0, "accepted");
}

/* Not before the first ID: there is nothing that could be issued twice. */
Test(guard, a_clone_before_the_first_ID_does_not_matter) {
        struct guard_policy policy = policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };

        guard_world_start(&w, &policy, START, START_TICK + 1000);
        guard_clone(&w.guard);
        guard_world_run(&w, 2 * SECOND);
        expect(&w, RUNNING, NONE, "started");
}

Test(guard, the_end_of_the_layout) {
        uint64_t last = id_tick_max(&id_layout_default);
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;

        guard_world_start(&w, &policy_default, (int64_t)last * MS, 0);
        expect(&w, FAILED, CLOCK_REASON_END, "at the end");
        guard_world_start(&w, &policy_default, (int64_t)last * MS - SECOND, 0);
        expect(&w, RUNNING, NONE, "before it");
        guard_world_run(&w, SECOND);
        guard_world_look(&w);
        expect(&w, FAILED, CLOCK_REASON_END, "reached");
        guard_world_start(&w, &policy_default, START, 0);
        guard_world_step(&w, (int64_t)last * MS - START);
        expect(&w, RUNNING, HELD, "a jump there");
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), -ERANGE);
        cr_assert_eq(guard_start(&w.guard, &id_layout_default, &policy_default, last), -ERANGE);
        cr_assert_eq(guard_start(&w.guard, &id_layout_default, &policy_default, last - 1), 0);
}

Test(guard, an_epoch_which_does_not_fit_is_refused) {
        struct id_layout layout = id_layout_default;
        struct guard guard;

        layout.epoch_unix_ms = INT64_MIN / 2;
        cr_assert_eq(guard_start(&guard, &layout, &policy_default, 0), -ERANGE);
}

/* Another policy holds at once, also for what is under way. */
Test(guard, the_policy_can_change) {
        struct guard_policy wait = policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };

        guard_world_start(&w, &policy_default, START, 0);
        guard_world_step(&w, -5 * SECOND);
        expect(&w, RUNNING, OFFSET, "offset");
        guard_set_policy(&w.guard, &wait);
        guard_world_look(&w);
        guard_world_run(&w, 2 * LINE_LEAD_NS);
        expect(&w, WAITING, ROLLBACK, "wait");
        guard_set_policy(&w.guard, &policy_default);
        guard_world_look(&w);
        guard_world_run(&w, 2 * LINE_LEAD_NS);
        expect(&w, RUNNING, OFFSET, "offset again");
        cr_assert_eq(w.guard.rollbacks, 1, "one event");
}

/* A step is held before 5 ms have passed. */
Test(guard, T1_a_rollback_is_held_within_5_ms) {
        struct guard_policy policy = policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };
        int64_t guarded_ns;

        guard_world_start(&w, &policy, START, 0);
        guarded_ns = clock_line_at(&w.guard.line, w.boot_ns);
        guard_world_step(&w, -HOUR);
        guard_world_run(&w, HOUR / 2);
        cr_assert_leq(clock_line_at(&w.guard.line, w.boot_ns) - guarded_ns, 5 * MS);
}
