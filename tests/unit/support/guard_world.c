/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/guard_world.h"

#include <criterion/criterion.h>

const struct guard_policy guard_world_policy = {
        .on_rollback = GUARD_OFFSET,
        .max_offset_ns = 10 * SECOND,
        .max_forward_step_ns = 60 * SECOND,
        .max_slew_ns = 10 * MS,
};

struct guard_reading guard_world_reading(const struct guard_world *w) {
        return (struct guard_reading){
                .realtime_ns = w->guard.layout.epoch_unix_ms * MS + w->wall_ns,
                .boottime_ns = w->boot_ns,
                .synchronised = w->synchronised,
        };
}

/* The clock never goes back, by whatever line it is read. */
static void guard_world_check(struct guard_world *w) {
        int64_t guarded_ns = clock_line_at(&w->guard.line, w->boot_ns);

        if (!w->guard.served)
                return;
        cr_assert_geq(guarded_ns, w->guarded_ns, "guarded time went back by %ld ns",
                      (long)(w->guarded_ns - guarded_ns));
        w->guarded_ns = guarded_ns;
}

void guard_world_look(struct guard_world *w) {
        struct guard_reading reading = guard_world_reading(w);
        uint64_t tick;

        guard_look(&w->guard, &reading);
        guard_world_check(w);
        if (!w->fence_stalls && guard_wants_step(&w->guard, &reading, &tick))
                guard_step(&w->guard, &reading, tick + 1000);
        guard_world_check(w);
}

void guard_world_run(struct guard_world *w, int64_t ns) {
        int64_t end_ns = w->boot_ns + ns;

        for (;;) {
                int64_t due = guard_deadline(&w->guard), to = due < end_ns ? due : end_ns;

                if (to > w->boot_ns) {
                        w->wall_ns += to - w->boot_ns;
                        w->boot_ns = to;
                        guard_world_check(w);
                }
                if (due > end_ns)
                        return;
                guard_world_look(w);
                cr_assert_gt(guard_deadline(&w->guard), w->boot_ns, "looks for ever");
        }
}

void guard_world_step(struct guard_world *w, int64_t by_ns) {
        w->wall_ns += by_ns;
        guard_world_look(w);
}

void guard_world_start(struct guard_world *w, const struct guard_policy *policy,
                                     int64_t wall_ns, uint64_t fence_tick) {
        w->wall_ns = wall_ns;
        w->boot_ns = 5 * SECOND;
        w->guarded_ns = INT64_MIN;
        cr_assert_eq(guard_start(&w->guard, &id_layout_default, policy, fence_tick), 0);
        guard_world_look(w);
}

int64_t guard_world_ahead(const struct guard_world *w) {
        return clock_line_at(&w->guard.line, w->boot_ns) - w->wall_ns;
}

struct guard_policy guard_world_policy_of(enum guard_rollback on_rollback) {
        struct guard_policy policy = guard_world_policy;

        policy.on_rollback = on_rollback;
        return policy;
}

void guard_world_expect(const struct guard_world *w, enum clock_state state,
                        enum clock_reason reason, const char *where) {
        cr_assert(w->guard.state == state && w->guard.reason == reason,
                  "%s: %s/%s, expected %s/%s", where, clock_state_name(w->guard.state),
                  clock_reason_name(w->guard.reason), clock_state_name(state),
                  clock_reason_name(reason));
}

void guard_world_expect_near(int64_t value, int64_t expected, const char *what) {
        int64_t tolerance = GUARD_SETTLED_NS + LINE_LEAD_NS;

        cr_assert(value >= expected - tolerance && value <= expected + tolerance,
                  "%s: %ld ms, expected %ld ms", what, (long)(value / MS), (long)(expected / MS));
}

struct guard_legacy guard_world_legacy(const struct guard *guard) {
        return (struct guard_legacy){ .line = guard->line, .reason = guard->reason,
                                      .led_ns = guard->led_ns, .accepted = guard->accepted };
}
