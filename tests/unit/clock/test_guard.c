/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>

#include "tests/unit/support/guard_world.h"

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
                struct guard_policy policy = guard_world_policy_of(t->on_rollback);
                struct guard_world w = { .synchronised = true };

                guard_world_start(&w, &policy, START, START_TICK - 1);
                guard_world_expect(&w, RUNNING, NONE, t->name);
                guard_world_run(&w, HOUR);
                guard_world_step(&w, t->step_ns);
                guard_world_expect(&w, t->state, t->reason, t->name);
                guard_world_run(&w, t->later_ns);
                guard_world_expect(&w, t->later_state, t->later_reason, t->name);
                guard_world_expect_near(guard_world_ahead(&w), t->ahead_ns, t->name);
                cr_assert_eq(w.guard.rollbacks, t->rollbacks, "%s: rollbacks", t->name);
                cr_assert_eq(w.guard.forward_steps, t->forward_steps, "%s: steps", t->name);
                cr_assert_eq(w.guard.holds, t->holds, "%s: holds", t->name);
        }
}

/* A held jump ends when the wall clock comes back, and it leaves nothing behind. */
Test(guard, a_held_jump_ends_by_itself) {
        struct guard_world w = { .synchronised = true };

        guard_world_start(&w, &guard_world_policy, START, 0);
        guard_world_step(&w, HOUR);
        guard_world_expect(&w, RUNNING, HELD, "held");
        guard_world_run(&w, 10 * SECOND);
        guard_world_step(&w, -HOUR);
        guard_world_expect(&w, RUNNING, NONE, "back");
        guard_world_expect_near(guard_world_ahead(&w), 0, "ahead");
        cr_assert_eq(w.guard.rollbacks, 0, "coming back is no rollback");
}

Test(guard, a_held_jump_is_followed_once_accepted) {
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;

        guard_world_start(&w, &guard_world_policy, START, 0);
        guard_world_step(&w, 10 * YEAR);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        guard_world_look(&w);
        guard_world_expect(&w, RUNNING, NONE, "accepted");
        guard_world_expect_near(guard_world_ahead(&w), 0, "ahead");
        cr_assert_eq(w.guard.forward_steps, 1);
        cr_assert_eq(guard_accept(&w.guard, &reading), -EALREADY);
        /* it was that jump which was accepted, not the next */
        guard_world_step(&w, HOUR);
        guard_world_expect(&w, RUNNING, HELD, "the next");
}

/* Nothing moves before the fence is durable, and only up to what was prepared. */
Test(guard, U3_a_forward_jump_waits_for_the_fence) {
        struct guard_world w = { .synchronised = true, .fence_stalls = true };
        struct guard_reading reading;
        uint64_t tick;

        guard_world_start(&w, &guard_world_policy, START, 0);
        guard_world_step(&w, 30 * SECOND);
        guard_world_expect(&w, RUNNING, CLOCK_REASON_STEPPING, "set");
        guard_world_run(&w, SECOND);
        guard_world_expect(&w, RUNNING, CLOCK_REASON_STEPPING, "a second later");
        guard_world_expect_near(guard_world_ahead(&w), -30 * SECOND, "ahead");
        reading = guard_world_reading(&w);
        cr_assert(guard_wants_step(&w.guard, &reading, &tick));
        cr_assert_eq(tick, (uint64_t)(w.wall_ns / MS));
        guard_step(&w.guard, &reading, tick - 1);
        guard_world_expect_near(guard_world_ahead(&w), -30 * SECOND, "not prepared");
        guard_step(&w.guard, &reading, tick);
        guard_world_expect(&w, RUNNING, NONE, "prepared");
        guard_world_expect_near(guard_world_ahead(&w), 0, "followed");
}

/* A wait is left at once when a person says so, ahead of the wall clock. */
Test(guard, a_rollback_is_left_once_accepted) {
        enum guard_rollback policies[] = { GUARD_OFFSET, GUARD_WAIT, GUARD_FAIL };

        for (size_t i = 0; i < 3; i++) {
                struct guard_policy policy = guard_world_policy_of(policies[i]);
                struct guard_world w = { .synchronised = true };
                struct guard_reading reading;

                guard_world_start(&w, &policy, START, 0);
                guard_world_step(&w, -HOUR);
                guard_world_run(&w, 10 * SECOND);
                cr_assert_neq(w.guard.state, RUNNING);
                reading = guard_world_reading(&w);
                cr_assert_eq(guard_accept(&w.guard, &reading), 0);
                guard_world_look(&w);
                guard_world_expect(&w, RUNNING, OFFSET, "accepted");
                guard_world_run(&w, SECOND);
                guard_world_expect_near(guard_world_ahead(&w), HOUR - 10 * SECOND - 10 * MS,
                                        "slewing");
        }
}

/* Working off ten years takes longer than can be counted: it is accepted all the same. */
Test(guard, a_rollback_of_years_stays_accepted) {
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;

        guard_world_start(&w, &guard_world_policy, START + 10 * YEAR, 0);
        guard_world_step(&w, -10 * YEAR);
        guard_world_run(&w, 10 * SECOND);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        for (int i = 0; i < 100; i++) {
                guard_world_look(&w);
                guard_world_expect(&w, RUNNING, OFFSET, "accepted");
                guard_world_run(&w, MS);
        }
}

/* What nobody accepted is not: another policy of the next daemon holds. */
Test(guard, another_policy_after_a_restart_holds) {
        struct guard_policy wait = guard_world_policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };
        struct guard_legacy legacy;

        guard_world_start(&w, &guard_world_policy, START, 0);
        guard_world_step(&w, -5 * SECOND);
        guard_world_expect(&w, RUNNING, OFFSET, "before");
        legacy = guard_world_legacy(&w.guard);
        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &wait, &legacy, 0), 0);
        guard_world_look(&w);
        guard_world_run(&w, 2 * LINE_LEAD_NS);
        guard_world_expect(&w, WAITING, ROLLBACK, "after");
        cr_assert_eq(w.guard.rollbacks, 0, "nothing was set back");
}

/* What was accepted is gone on with by the next daemon; another step is not. */
Test(guard, an_accepted_offset_survives_a_restart) {
        struct guard_policy policy = guard_world_policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;
        struct guard_legacy legacy;

        guard_world_start(&w, &policy, START, 0);
        guard_world_step(&w, -HOUR);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        guard_world_look(&w);
        guard_world_run(&w, SECOND);
        legacy = guard_world_legacy(&w.guard);
        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &policy, &legacy, 0), 0);
        guard_world_look(&w);
        guard_world_expect(&w, RUNNING, OFFSET, "the next daemon");
        cr_assert_eq(w.guard.rollbacks, 0);
        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &policy, &legacy, 0), 0);
        guard_world_step(&w, -SECOND);
        guard_world_run(&w, 2 * LINE_LEAD_NS);
        guard_world_expect(&w, WAITING, ROLLBACK, "set back meanwhile");
        cr_assert_eq(w.guard.rollbacks, 1, "which is counted");
}

/* A wait, a hold, a slew: the next daemon goes on with what it finds. */
Test(guard, A1_a_restart_decides_the_same) {
        for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
                const struct transition *t = &transitions[i];
                struct guard_policy policy = guard_world_policy_of(t->on_rollback);
                struct guard_world w = { .synchronised = true };
                int64_t part;

                guard_world_start(&w, &policy, START, 0);
                guard_world_step(&w, t->step_ns);
                part = t->later_ns / 7;
                for (int restart = 0; restart < 6; restart++) {
                        struct guard_legacy legacy = guard_world_legacy(&w.guard);

                        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &policy, &legacy,
                                                  0), 0);
                        guard_world_look(&w);
                        guard_world_run(&w, part);
                }
                guard_world_run(&w, t->later_ns - 6 * part);
                cr_assert_eq(w.guard.rollbacks + w.guard.holds, 0, "%s: no news", t->name);
                guard_world_expect(&w, t->later_state, t->later_reason, t->name);
                guard_world_expect_near(guard_world_ahead(&w), t->ahead_ns, t->name);
        }
}

/* Two and more steps, one into the course of the other. The course is another
 * rate each time, and never leads back (guard_world_check). */
Test(guard, T1_a_step_during_another_ones_course) {
        int64_t steps[] = { -20 * MS, 20 * MS, -SECOND, SECOND, -HOUR, HOUR, -5 * SECOND, 50 * MS };
        enum guard_rollback policies[] = { GUARD_OFFSET, GUARD_WAIT, GUARD_FAIL };

        for (size_t p = 0; p < 3; p++)
                for (size_t i = 0; i < 8 * 8; i++) {
                        struct guard_policy policy = guard_world_policy_of(policies[p]);
                        struct guard_world w = { .synchronised = true };

                        guard_world_start(&w, &policy, START, 0);
                        guard_world_step(&w, steps[i / 8]);
                        guard_world_run(&w, 300 * MS);
                        guard_world_step(&w, steps[i % 8]);
                        guard_world_run(&w, MS);
                        guard_world_step(&w, -steps[i / 8] - steps[i % 8]);
                        guard_world_run(&w, 3 * HOUR);
                        guard_world_expect(&w, RUNNING, NONE, "in the end");
                        guard_world_expect_near(guard_world_ahead(&w), 0, "in the end");
                }
}

/* Another policy holds at once, also for what is under way. */
Test(guard, the_policy_can_change) {
        struct guard_policy wait = guard_world_policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };

        guard_world_start(&w, &guard_world_policy, START, 0);
        guard_world_step(&w, -5 * SECOND);
        guard_world_expect(&w, RUNNING, OFFSET, "offset");
        guard_set_policy(&w.guard, &wait);
        guard_world_look(&w);
        guard_world_run(&w, 2 * LINE_LEAD_NS);
        guard_world_expect(&w, WAITING, ROLLBACK, "wait");
        guard_set_policy(&w.guard, &guard_world_policy);
        guard_world_look(&w);
        guard_world_run(&w, 2 * LINE_LEAD_NS);
        guard_world_expect(&w, RUNNING, OFFSET, "offset again");
        cr_assert_eq(w.guard.rollbacks, 1, "one event");
        /* set back just when another policy is read: that is news */
        guard_set_policy(&w.guard, &wait);
        guard_world_step(&w, -HOUR);
        guard_world_run(&w, 2 * LINE_LEAD_NS);
        guard_world_expect(&w, WAITING, ROLLBACK, "set back at that moment");
        cr_assert_eq(w.guard.rollbacks, 2, "two events");
}

/* A step is held before 5 ms have passed. */
Test(guard, T1_a_rollback_is_held_within_5_ms) {
        struct guard_policy policy = guard_world_policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };
        int64_t guarded_ns;

        guard_world_start(&w, &policy, START, 0);
        guarded_ns = clock_line_at(&w.guard.line, w.boot_ns);
        guard_world_step(&w, -HOUR);
        guard_world_run(&w, HOUR / 2);
        cr_assert_leq(clock_line_at(&w.guard.line, w.boot_ns) - guarded_ns, 5 * MS);
}

/* A rate that is about to end is not prolonged before the lead is over: readers may
 * have seen it end, by the line they have. */
Test(guard, T1_an_ending_slew_is_not_prolonged_at_once) {
        struct guard_policy policy = guard_world_policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };
        struct clock_line old;
        int64_t seen_ns;

        guard_world_start(&w, &policy, START, 0);
        guard_world_step(&w, -SECOND);
        guard_world_run(&w, SECOND + LINE_LEAD_NS - MS / 2); /* half a tick before the end */
        guard_world_expect(&w, WAITING, ROLLBACK, "standing");
        old = w.guard.line;
        guard_world_step(&w, -SECOND);
        seen_ns = clock_line_at(&old, w.boot_ns + MS);
        cr_assert_geq(clock_line_at(&w.guard.line, w.boot_ns + MS), seen_ns, "it led back");
}
