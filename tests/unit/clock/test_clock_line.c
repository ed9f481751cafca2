/* SPDX-License-Identifier: MIT */
/* The line that turns CLOCK_BOOTTIME into guarded time, and its latch (rule 7). */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "shm/clock.h"
#include "tests/support/random.h"
#include "tests/unit/support/single_step.h"

static struct clock_line random_line(uint64_t *state) {
        int64_t boot = (int64_t)random_below(state, UINT64_C(1) << 50);

        return (struct clock_line){
                .boot_base_ns = boot,
                .guarded_base_ns = (int64_t)random_below(state, UINT64_C(1) << 58),
                .slew_ppb = (int64_t)random_below(state, 1000000001) - 500000000,
                .slew_end_boot_ns = boot + (int64_t)random_below(state, UINT64_C(1) << 40),
        };
}

Test(clock_line, by_hand) {
        struct clock_line line = { .boot_base_ns = 1000, .guarded_base_ns = 5000,
                                   .slew_ppb = 500000000, .slew_end_boot_ns = 1100 };

        cr_assert_eq(clock_line_at(&line, 1000), 5000);
        cr_assert_eq(clock_line_at(&line, 1100), 5150);
        cr_assert_eq(clock_line_at(&line, 1200), 5250, "slewing has ended");
        cr_assert_eq(clock_line_at(&line, 900), 4900, "and had not begun");
        line.slew_ppb = 0;
        cr_assert_eq(clock_line_at(&line, 1200), 5200);
        cr_assert_eq(clock_tick_of(999999), 0);
        cr_assert_eq(clock_tick_of(1000000), 1);
        cr_assert_eq(clock_tick_of(-1), CLOCK_NOW_INVALID);
}

Test(clock_line, what_does_not_fit_is_no_time) {
        struct clock_line line = { .guarded_base_ns = INT64_MAX - 5 };

        cr_assert_eq(clock_line_at(&line, 5), INT64_MAX);
        cr_assert_eq(clock_line_at(&line, 6), INT64_MIN);
        line.guarded_base_ns = INT64_MIN + 5;
        cr_assert_eq(clock_line_at(&line, -6), INT64_MIN);
        cr_assert_eq(clock_tick_of(INT64_MIN), CLOCK_NOW_INVALID);
}

/* Red when the slew runs on behind its end, or is applied before its base. */
Test(clock_line, T1_never_backward) {
        uint64_t state = 7;

        for (int i = 0; i < 2000; i++) {
                struct clock_line line = random_line(&state);
                int64_t boot = line.boot_base_ns - 1000, last = INT64_MIN;

                for (int j = 0; j < 50; j++) {
                        int64_t at = clock_line_at(&line, boot);

                        cr_assert_geq(at, last);
                        last = at;
                        boot += (int64_t)random_below(&state, j % 2 ? 3 : UINT64_C(1) << 38);
                }
        }
}

/* A new line that starts where the old one is continues it. */
Test(clock_line, T1_continues_when_re_based) {
        uint64_t state = 8;

        for (int i = 0; i < 2000; i++) {
                struct clock_line old = random_line(&state), fresh = random_line(&state);
                int64_t boot = old.boot_base_ns + (int64_t)random_below(&state, UINT64_C(1) << 41);

                fresh.boot_base_ns = boot;
                fresh.guarded_base_ns = clock_line_at(&old, boot);
                fresh.slew_end_boot_ns = boot + (int64_t)random_below(&state, UINT64_C(1) << 40);
                cr_assert_eq(clock_line_at(&fresh, boot), clock_line_at(&old, boot));
                for (int64_t later = 0; later < 5; later++)
                        cr_assert_geq(clock_line_at(&fresh, boot + later),
                                      clock_line_at(&old, boot));
        }
}

/* clock_line_boot_of() is when the tick begins: reached there, and not 3 ns before (a
 * slew rounds). Red when a waiter would wake up too early. */
Test(clock_line, boot_of_is_the_inverse) {
        uint64_t state = 9;

        for (int i = 0; i < 20000; i++) {
                struct clock_line line = random_line(&state);
                uint64_t base = clock_tick_of(line.guarded_base_ns);
                uint64_t tick = base + random_below(&state, 2000000);
                int64_t boot = clock_line_boot_of(&line, tick);

                cr_assert_geq(clock_tick_of(clock_line_at(&line, boot)), tick);
                cr_assert_lt(clock_tick_of(clock_line_at(&line, boot - 3)), tick);
        }
}

Test(clock_line, boot_of_a_tick_beyond_all_time_is_the_end_of_time) {
        struct clock_line line = { 0 };

        cr_assert_eq(clock_line_boot_of(&line, UINT64_MAX), INT64_MAX);
}

/* ---- the latch ---- */

/* All four numbers follow from n, so a mix of two lines shows. */
static struct clock_line line_of(int64_t n) {
        return (struct clock_line){ .boot_base_ns = n, .guarded_base_ns = n * 3 + 1,
                                    .slew_ppb = -n, .slew_end_boot_ns = n ^ 0x5555 };
}

static bool is_whole(const struct clock_line *line) {
        struct clock_line expected = line_of(line->boot_base_ns);

        return memcmp(line, &expected, sizeof(expected)) == 0;
}

struct latch_race {
        struct clock_segment *segment;
        _Atomic bool stop;
        _Atomic uint64_t writes;
};

static void *write_lines(void *argument) {
        struct latch_race *race = argument;

        /* relaxed: the flag orders nothing */
        for (int64_t n = 2; !atomic_load_explicit(&race->stop, memory_order_relaxed); n++) {
                struct clock_line line = line_of(n);

                clock_latch_write(race->segment, &line);
                atomic_store_explicit(&race->writes, (uint64_t)n, memory_order_relaxed);
        }
        return NULL;
}

/* Reads until enough was seen, or until a line is wrong: that one is returned
 * with false. */
static bool lines_are_whole(struct latch_race *race, struct clock_line *ret) {
        int64_t last = 1;
        uint64_t whole = 0;

        while (whole < 200000 ||
               atomic_load_explicit(&race->writes, memory_order_relaxed) < 100000) {
                uint32_t begun = clock_latch_begin(race->segment, ret);

                if (clock_latch_retry(race->segment, begun))
                        continue;
                if (!is_whole(ret) || ret->boot_base_ns < last)
                        return false;
                last = ret->boot_base_ns;
                whole++;
        }
        return true;
}

/* Red when the writer changes the copy that readers are sent to, or when
 * clock_latch_retry() always says false. */
Test(clock_line, rule_7_no_torn_line_beside_a_writer) {
        struct latch_race race = { .segment = single_step_memory(CLOCK_SIZE) };
        struct clock_line line = line_of(1);
        pthread_t writer;
        bool whole;

        clock_latch_write(race.segment, &line);
        cr_assert_eq(pthread_create(&writer, NULL, write_lines, &race), 0);
        whole = lines_are_whole(&race, &line);
        atomic_store_explicit(&race.stop, true, memory_order_relaxed);
        (void)pthread_join(writer, NULL);
        cr_assert(whole, "torn, or older than one before: line %ld", (long)line.boot_base_ns);
}

/* Red when clock_latch_retry() does not compare. */
Test(clock_line, rule_7_a_reader_that_was_overtaken_tries_again) {
        struct clock_segment *segment = single_step_memory(CLOCK_SIZE);
        struct clock_line line = line_of(1), read;
        uint32_t begun = clock_latch_begin(segment, &read);

        cr_assert_not(clock_latch_retry(segment, begun));
        clock_latch_write(segment, &line);
        cr_assert(clock_latch_retry(segment, begun));
}

static struct clock_segment *overtaken;
static int64_t n_readings;

/* A clock that is read while the first line is replaced. */
static int64_t overtaking_clock_ns(clockid_t clock) {
        struct clock_line line = { .boot_base_ns = 1000, .guarded_base_ns = 5000 };

        cr_assert_eq(clock, CLOCK_BOOTTIME);
        if (n_readings++ == 0)
                clock_latch_write(overtaken, &line);
        return 1000 + n_readings;
}

/* Red when clock_read() reads the clock outside the section, or does not try again. */
Test(clock_line, rule_7_a_reading_belongs_to_its_line) {
        struct clock_reading reading;
        struct clock_line line = line_of(1);

        overtaken = single_step_memory(CLOCK_SIZE);
        clock_latch_write(overtaken, &line);
        cr_assert_eq(clock_read(overtaken, overtaking_clock_ns, &reading), 5002);
        cr_assert_eq(reading.boot_ns, 1002, "the reading of the first line was kept");
        cr_assert_eq(reading.line.guarded_base_ns, 5000, "the line was replaced before the reading");
        cr_assert_not(clock_latch_retry(overtaken, reading.sequence));
}

struct killed_write {
        struct clock_segment segment;
        int64_t written; /* number of the line being written */
        int64_t seen;    /* number of the last line that was read */
        struct clock_segment half; /* killed while readers are on copy 1 and copy 0 is torn */
        bool has_half;
};

static void write_line(void *argument) {
        struct killed_write *killed = argument;
        struct clock_line line = line_of(killed->written);

        clock_latch_write(&killed->segment, &line);
}

static void keep_if_half(struct killed_write *killed) {
        const struct clock_params *copy = &killed->segment.params[0];
        int64_t first = atomic_load_explicit(&copy->boot_base_ns, memory_order_relaxed);
        int64_t last = atomic_load_explicit(&copy->slew_end_boot_ns, memory_order_relaxed);
        uint32_t latch = atomic_load_explicit(&killed->segment.latch, memory_order_relaxed);

        if ((latch & 1) == 0 || first != killed->written ||
            last == line_of(killed->written).slew_end_boot_ns)
                return;
        memcpy(&killed->half, &killed->segment, sizeof(killed->half));
        killed->has_half = true;
}

static void look_at_killed_write(void *argument) {
        struct killed_write *killed = argument;
        struct clock_line line;
        uint32_t begun = clock_latch_begin(&killed->segment, &line);

        cr_assert_not(clock_latch_retry(&killed->segment, begun), "a dead writer stops readers");
        cr_assert(is_whole(&line), "a torn line");
        cr_assert(line.boot_base_ns == killed->seen || line.boot_base_ns == killed->written,
                  "old, then new, then new for ever");
        killed->seen = line.boot_base_ns;
        keep_if_half(killed);
}

/* Red when the sequence is stored before the copy it sends readers to. */
Test(clock_line, rule_7_a_writer_killed_anywhere_stops_nobody) {
        struct killed_write *killed = single_step_memory(sizeof(*killed));
        unsigned long steps;

        killed->written = 1;
        write_line(killed);
        killed->seen = 1;
        killed->written = 2;
        steps = single_step(write_line, look_at_killed_write, killed);
        cr_assert_gt(steps, 10, "only %lu instructions: was it stepped at all?", steps);
        cr_assert_eq(killed->seen, 2);
        cr_assert(killed->has_half);

        /* The next daemon starts from the torn copy and is killed anywhere as
         * well. Red when a write that finds the sequence odd changes copy 1. */
        memcpy(&killed->segment, &killed->half, sizeof(killed->segment));
        killed->seen = 1;
        killed->written = 3;
        (void)single_step(write_line, look_at_killed_write, killed);
        cr_assert_eq(killed->seen, 3);
}

Test(clock_line, owner_is_live_or_not) {
        cr_assert_not(clock_owner_live(0));
        cr_assert(clock_owner_live(1));
        cr_assert(clock_owner_live(CLOCK_OWNER_DIED - 1));
        cr_assert_not(clock_owner_live(CLOCK_OWNER_DIED));
        cr_assert_not(clock_owner_live(CLOCK_OWNER_DIED | UINT32_C(0x80000000)));
}
