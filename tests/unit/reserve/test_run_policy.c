/* SPDX-License-Identifier: MIT */
/* When the run grows and shrinks, as a table: seconds of one demand after another. */
#include <criterion/criterion.h>

#include "daemon/reserve/run_policy.h"

#define S INT64_C(1000000000)
#define POSITIONS 4096u

struct phase {
        unsigned seconds;
        uint32_t used;      /* positions in a tick; 0: nobody is busy */
        uint32_t overflows; /* in a hundred ticks */
        uint32_t run;       /* at its end */
};

struct course {
        const char *name;
        uint32_t count, max_count, lanes;
        bool refused; /* every growth */
        struct phase phases[8];
};

static const struct course courses[] = {
        { "grows after three seconds, and doubles", 1, 8, 1, false,
          { { 2, 4000, 100, 1 }, { 2, 4000, 100, 2 }, { 30, 8000, 100, 4 },
            { 30, 16000, 100, 8 }, { 30, 32000, 100, 8 } } },
        { "not for one who does not wait", 1, 8, 1, false, { { 60, 4000, 10, 1 } } },
        { "not for one who cannot use it: a cap", 1, 8, 1, false, { { 60, 1500, 100, 1 } } },
        { "not for bursts with as much rest", 1, 8, 1, false,
          { { 2, 4000, 100, 1 }, { 2, 0, 0, 1 }, { 2, 4000, 100, 1 }, { 2, 0, 0, 1 },
            { 2, 4000, 100, 1 } } },
        { "up to max_count, which is no multiple", 3, 7, 1, false,
          { { 5, 12000, 100, 6 }, { 30, 24000, 100, 7 } } },
        { "shrinks after a minute to what suffices", 1, 8, 1, false,
          { { 5, 4000, 100, 2 }, { 30, 8000, 100, 4 }, { 30, 16000, 100, 8 },
            { 59, 3000, 0, 8 }, { 5, 3000, 0, 2 }, { 59, 0, 0, 2 }, { 3, 0, 0, 1 } } },
        { "of the highest demand in that minute", 1, 8, 1, false,
          { { 5, 4000, 100, 2 }, { 30, 8000, 100, 4 }, { 30, 16000, 100, 8 },
            { 30, 100, 0, 8 }, { 1, 6000, 0, 8 }, { 32, 100, 0, 4 } } },
        { "demand which made it grow does not let it shrink", 1, 2, 1, false,
          { { 5, 2048, 100, 2 }, { 200, 2048, 0, 2 } } },
        { "many lanes need their places", 1, 4, 600, false,
          { { 5, 4000, 100, 2 }, { 200, 0, 0, 2 } } },
        { "refused: again after 30 s, then 60 s", 1, 8, 1, true, { { 200, 4000, 100, 1 } } },
        { "shorter than configured is made up for at once", 4, 4, 1, false,
          { { 1, 0, 0, 4 } } },
};

static unsigned asked;

static uint32_t live(struct run_policy *policy, const struct course *course,
                     const struct phase *phase, uint32_t run, int64_t *now_ns) {
        for (unsigned i = 0; i < 10 * phase->seconds; i++) {
                const struct run_policy_sample sample = {
                        .now_ns = *now_ns += S / 10,
                        .ids = (uint64_t)phase->used * 100,
                        .overflows = phase->overflows,
                        .ticks = phase->used > 0 ? 100 : 0,
                        .lanes = course->lanes,
                        .run = run,
                };
                uint32_t wanted = run_policy_decide(policy, &sample);

                asked += wanted > run;
                if (wanted > run && course->refused)
                        run_policy_refused(policy, *now_ns);
                else if (wanted > run)
                        run_policy_grown(policy, *now_ns, 20 * S);
                if (wanted < run || !course->refused)
                        run = wanted;
        }
        return run;
}

Test(run_policy, follows_demand) {
        for (size_t c = 0; c < sizeof(courses) / sizeof(courses[0]); c++) {
                const struct course *course = &courses[c];
                int64_t now_ns = 1000 * S;
                struct run_policy policy;
                uint32_t run = course->lanes == 1 && course->count == course->max_count ?
                                       2 : course->count;

                asked = 0;
                run_policy_init(&policy, course->count, course->max_count, POSITIONS);
                for (size_t i = 0; i < 8 && course->phases[i].seconds > 0; i++) {
                        run = live(&policy, course, &course->phases[i], run, &now_ns);
                        cr_expect_eq(run, course->phases[i].run, "%s: %u instead of %u in phase "
                                     "%zu", course->name, run, course->phases[i].run, i);
                }
                if (course->refused)
                        cr_expect_eq(asked, 3, "%s: %u times", course->name, asked);
        }
}

/* A client can write anything into its counters. */
Test(run_policy, does_not_wrap) {
        const struct run_policy_sample sample = { .now_ns = S,
                                                  .ids = UINT64_MAX,
                                                  .overflows = UINT64_MAX,
                                                  .ticks = UINT64_MAX,
                                                  .lanes = UINT32_MAX,
                                                  .run = 1 };
        struct run_policy policy;

        run_policy_init(&policy, 1, UINT32_C(1) << 22, 1);
        for (unsigned i = 0; i < 100; i++)
                cr_assert_geq(run_policy_decide(&policy, &sample), 1);
}
