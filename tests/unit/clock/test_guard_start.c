/* SPDX-License-Identifier: MIT */
/* Where a clock begins, and where it ends for good. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>

#include "tests/unit/support/guard_world.h"

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
                struct guard_policy policy = guard_world_policy_of(s->on_rollback);
                struct guard_world w = { .synchronised = true };
                uint64_t first = START_TICK + (uint64_t)(10 * YEAR / MS);

                guard_world_start(&w, &policy, (int64_t)first * MS - s->behind_ns, first - 1);
                guard_world_expect(&w, s->state,
                                   s->state == RUNNING ? w.guard.reason : CLOCK_REASON_FENCE,
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
                        guard_world_expect_near(guard_world_ahead(&w), s->ahead_ns, s->name);
        }
}

/* Nobody has an ID yet: a clock that is set while waiting is simply followed. */
Test(guard, a_clock_that_is_set_before_the_first_ID_is_followed) {
        struct guard_policy policy = guard_world_policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };

        guard_world_start(&w, &policy, -50 * YEAR, START_TICK);
        guard_world_expect(&w, WAITING, CLOCK_REASON_FENCE, "before the epoch");
        guard_world_run(&w, SECOND);
        guard_world_step(&w, 60 * YEAR);
        guard_world_expect(&w, RUNNING, NONE, "set");
        guard_world_expect_near(guard_world_ahead(&w), 0, "set");
        cr_assert_eq(w.guard.forward_steps + w.guard.holds, 0);
}

/* Before the epoch there is no tick; an offset of up to 10 s does not make one. */
Test(guard, before_the_epoch_there_are_no_IDs) {
        struct guard_world w = { .synchronised = true };

        guard_world_start(&w, &guard_world_policy, -5 * SECOND, 0);
        guard_world_expect(&w, WAITING, CLOCK_REASON_FENCE, "before the epoch");
        guard_world_run(&w, 5 * SECOND);
        cr_assert(guard_ready(&w.guard));
        cr_assert_eq(guard_tick(&w.guard, w.boot_ns), 0);
}

Test(guard, an_unsynchronised_clock_is_waited_for) {
        struct guard_policy policy = guard_world_policy;
        struct guard_world w = { .synchronised = false };
        struct guard_reading reading;

        policy.require_sync = true;
        guard_world_start(&w, &policy, START, 0);
        guard_world_expect(&w, WAITING, CLOCK_REASON_UNSYNC, "start");
        guard_world_run(&w, HOUR);
        guard_world_expect(&w, WAITING, CLOCK_REASON_UNSYNC, "an hour later");
        w.synchronised = true;
        guard_world_run(&w, GUARD_SYNC_LOOK_NS);
        guard_world_expect(&w, RUNNING, NONE, "synchronised");
        w.synchronised = false;
        guard_world_run(&w, HOUR);
        guard_world_look(&w);
        guard_world_expect(&w, RUNNING, NONE, "only before the first ID");

        w.synchronised = false;
        guard_world_start(&w, &policy, START, 0);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        guard_world_look(&w);
        guard_world_expect(&w, RUNNING, NONE, "accepted");
}

/* The ledger was lost with the daemon: the line goes on, and waits. */
Test(guard, U3_a_line_that_goes_on_waits_for_the_fence) {
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;
        struct guard_legacy legacy;

        guard_world_start(&w, &guard_world_policy, START, 0);
        guard_world_run(&w, SECOND);
        legacy = guard_world_legacy(&w.guard);
        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &guard_world_policy, &legacy,
                                  START_TICK + 60999), 0);
        guard_world_look(&w);
        guard_world_expect(&w, WAITING, CLOCK_REASON_FENCE, "resumed");
        cr_assert_eq(w.guard.resume_boot_ns, w.boot_ns + 60 * SECOND);
        cr_assert_not(guard_above_fence(&w.guard, guard_tick(&w.guard, w.boot_ns)));
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), -EBUSY);
        /* a rollback meanwhile hides the fence, and does not remove it */
        guard_world_step(&w, -HOUR);
        guard_world_expect(&w, WAITING, ROLLBACK, "set back");
        cr_assert_not(guard_above_fence(&w.guard, guard_tick(&w.guard, w.boot_ns)));
        guard_world_step(&w, HOUR);
        guard_world_expect(&w, WAITING, CLOCK_REASON_FENCE, "and forward");
        guard_world_run(&w, 60 * SECOND - 1);
        cr_assert_not(guard_ready(&w.guard));
        guard_world_run(&w, 10 * MS);
        guard_world_expect(&w, RUNNING, NONE, "passed");
}

/* U1: a machine that was reverted does not go on by itself, restarts or not. */
Test(guard, U1_a_cloned_machine_stands_still) {
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;
        struct guard_legacy legacy;
        uint64_t tick;

        guard_world_start(&w, &guard_world_policy, START, 0);
        guard_world_step(&w, -SECOND); /* while a slew is under way */
        guard_clone(&w.guard);
        guard_world_look(&w);
        guard_world_run(&w, 2 * LINE_LEAD_NS);
        guard_world_expect(&w, FAILED, CLOCK_REASON_CLONED, "cloned");
        tick = guard_tick(&w.guard, w.boot_ns);
        guard_world_run(&w, HOUR);
        guard_world_step(&w, HOUR);
        guard_world_expect(&w, FAILED, CLOCK_REASON_CLONED, "whatever the clock does");
        legacy = guard_world_legacy(&w.guard);
        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &guard_world_policy, &legacy, 0),
                     0);
        guard_world_look(&w);
        guard_world_run(&w, HOUR);
        guard_world_expect(&w, FAILED, CLOCK_REASON_CLONED, "the next daemon");
        cr_assert_eq(guard_tick(&w.guard, w.boot_ns), tick);
        guard_world_step(&w, -10 * HOUR);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), -ERANGE, "behind the last IDs");
        guard_world_step(&w, 10 * HOUR);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        guard_world_look(&w);
        guard_world_run(&w, SECOND);
        guard_world_expect(&w, RUNNING, NONE, "accepted");
        guard_world_expect_near(guard_world_ahead(&w), 0, "accepted");
}

/* The line goes on only after a lead; looking meanwhile takes nothing back. */
Test(guard, what_was_accepted_outlasts_the_end_of_a_standstill) {
        struct guard_world w = { .synchronised = true, .fence_stalls = true };
        struct guard_reading reading;

        guard_world_start(&w, &guard_world_policy, START, 0);
        guard_clone(&w.guard);
        guard_world_look(&w);
        guard_world_run(&w, HOUR);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        for (int i = 0; i < 100; i++) {
                guard_world_look(&w);
                guard_world_expect(&w, RUNNING, CLOCK_REASON_STEPPING, "accepted");
                guard_world_run(&w, MS / 20);
        }
        cr_assert_eq(w.guard.holds, 0);
}

/* A step while the fence is waited for is news: nobody has accepted that one. */
Test(guard, what_was_accepted_is_not_the_next_step_while_waiting_for_the_fence) {
        struct guard_policy policy = guard_world_policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;
        struct guard_legacy legacy;

        guard_world_start(&w, &policy, START, 0);
        legacy = guard_world_legacy(&w.guard);
        cr_assert_eq(guard_resume(&w.guard, &id_layout_default, &policy, &legacy,
                                  START_TICK + 60000), 0);
        guard_world_step(&w, -HOUR);
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        guard_world_look(&w);
        guard_world_run(&w, SECOND);
        guard_world_expect(&w, WAITING, CLOCK_REASON_FENCE, "accepted");
        guard_world_step(&w, -YEAR);
        guard_world_run(&w, HOUR);
        guard_world_expect(&w, WAITING, ROLLBACK, "set back further");
        cr_assert_eq(w.guard.rollbacks, 2);
}

/* U1: a twin would begin at the same first tick. */
Test(guard, U1_a_clone_before_the_first_ID_stands_still_as_well) {
        struct guard_policy policy = guard_world_policy_of(GUARD_WAIT);
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;

        guard_world_start(&w, &policy, START, START_TICK + 1000);
        guard_clone(&w.guard);
        guard_world_look(&w);
        guard_world_run(&w, HOUR);
        guard_world_expect(&w, FAILED, CLOCK_REASON_CLONED, "cloned");
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), 0);
        guard_world_look(&w);
        guard_world_expect(&w, RUNNING, NONE, "accepted");
}

Test(guard, the_end_of_the_layout) {
        uint64_t last = id_tick_max(&id_layout_default);
        struct guard_world w = { .synchronised = true };
        struct guard_reading reading;

        guard_world_start(&w, &guard_world_policy, (int64_t)last * MS, 0);
        guard_world_expect(&w, FAILED, CLOCK_REASON_END, "at the end");
        guard_world_start(&w, &guard_world_policy, (int64_t)last * MS - SECOND, 0);
        guard_world_expect(&w, RUNNING, NONE, "before it");
        guard_world_run(&w, SECOND);
        guard_world_look(&w);
        guard_world_expect(&w, FAILED, CLOCK_REASON_END, "reached");
        guard_world_start(&w, &guard_world_policy, START, 0);
        guard_world_step(&w, (int64_t)last * MS - START);
        guard_world_expect(&w, RUNNING, HELD, "a jump there");
        reading = guard_world_reading(&w);
        cr_assert_eq(guard_accept(&w.guard, &reading), -ERANGE);
        cr_assert_eq(guard_start(&w.guard, &id_layout_default, &guard_world_policy, last), -ERANGE);
        cr_assert_eq(guard_start(&w.guard, &id_layout_default, &guard_world_policy, last - 1), 0);
}

Test(guard, an_epoch_which_does_not_fit_is_refused) {
        struct id_layout layout = id_layout_default;
        struct guard guard;

        layout.epoch_unix_ms = INT64_MIN / 2;
        cr_assert_eq(guard_start(&guard, &layout, &guard_world_policy, 0), -ERANGE);
}
