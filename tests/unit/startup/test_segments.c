/* SPDX-License-Identifier: MIT */
/*
 * What a daemon goes on with when it starts. A daemon that was killed is one
 * whose fence stands ahead of the clock; nothing else tells it from a stop.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/clock/ticker.h"
#include "daemon/clock/timekeeper.h"
#include "daemon/lease/local.h"
#include "daemon/ledger/fence_word.h"
#include "daemon/ledger/ledger.h"
#include "daemon/startup/segments.h"
#include "daemon/util/time.h"
#include "tests/support/capture.h"
#include "tests/support/own_space.h"
#include "tests/unit/support/config_fixture.h"

#define AHEAD_TICKS 60000u

struct daemon_run {
        struct config *config;
        struct lease *lease;
        struct segments segments;
};

static const char *state_name = "state";

static const char *shm_name(const char *suffix) {
        static char name[64];

        snprintf(name, sizeof(name), "/sfshm-test-state-%d%s", (int)getpid(), suffix);
        return name;
}

static unsigned max_count = 1;

/* As a coordinator says that these worker IDs may have been another host's since. */
static bool anew;
static struct lease_backend anew_backend;

static int claim_anew(void *backend, struct lease_grant *ret) {
        int r = lease_local.claim(backend, ret);

        ret->fence_of_run = ret->taken_anew = true;
        return r;
}

static void prepare(struct daemon_run *run, const char *suffix, unsigned first_worker) {
        char text[1024];

        snprintf(text, sizeof(text),
                 "[workers]\nfirst = %u\nmax_count = %u\nspace = %s %s\n[daemon]\n"
                 "state_dir = %s/%s\nshm = %s\n[clock]\non_rollback = wait\n",
                 first_worker, max_count, own_space(), state_name, config_fixture.directory,
                 state_name, shm_name(suffix));
        run->config = config_fixture_load(text, (char *[]){ NULL });
        cr_assert_eq(lease_new(&run->lease, anew ? &anew_backend : &lease_local, NULL, run->config),
                     0, "%s", capture_take());
}

static void nobody_sleeps(void *context) {
        (void)context;
}

/* The first thing a daemon does then. */
static void keep_time(struct daemon_run *run) {
        static const struct timekeeper_hooks hooks = { .changed = nobody_sleeps };
        struct timekeeper keeper;
        struct wall_clock *wall_clock;
        struct clone_watch *clone_watch;

        cr_assert_eq(wall_clock_new(&wall_clock, &wall_clock_kernel), 0);
        cr_assert_eq(clone_watch_new(&clone_watch, &clone_watch_kernel), 0);
        keeper = (struct timekeeper){ .guard = &run->segments.guard,
                                      .clock = segments_clock(&run->segments),
                                      .wall_clock = wall_clock,
                                      .clone_watch = clone_watch,
                                      .hooks = &hooks };
        timekeeper_init(&keeper);
        timekeeper_look(&keeper);
        clone_watch_free(clone_watch);
        wall_clock_free(wall_clock);
}

static struct daemon_run start(const char *suffix, unsigned first_worker) {
        struct daemon_run run;

        prepare(&run, suffix, first_worker);
        cr_assert_eq(segments_start(&run.segments, run.config, run.lease), 0, "%s", capture_take());
        keep_time(&run);
        return run;
}

static uint64_t tick_of(const struct daemon_run *run) {
        return guard_tick(&run->segments.guard, time_ns(CLOCK_BOOTTIME));
}

/* As if killed, with the fence as far ahead as it may be. */
static void end(struct daemon_run *run) {
        uint64_t fence = tick_of(run) + AHEAD_TICKS;

        segments_close(&run->segments);
        lease_release(run->lease, fence);
        config_free(run->config);
}

static bool ready(const struct daemon_run *run) {
        return guard_ready(&run->segments.guard);
}

static void lose(const char *suffix, const char *segment) {
        char file[128];

        snprintf(file, sizeof(file), "/dev/shm%s.%s", shm_name(suffix), segment);
        cr_assert_eq(unlink(file), 0);
}

/* The next daemon finds an empty state directory. */
static void lose_state_directory(void) {
        char command[300];

        snprintf(command, sizeof(command), "rm -r %s/state", config_fixture.directory);
        cr_assert_eq(system(command), 0);
}

static void clean(void) {
        char command[200];

        snprintf(command, sizeof(command), "rm -f /dev/shm%s*", shm_name(""));
        cr_assert_eq(system(command), 0);
        config_fixture_end();
}

/* Red when the line is made anew or the fence is waited for although the ledger
 * is there (A1, rule 9). */
Test(segments, goes_on_at_once_with_clock_and_ledger, .init = config_fixture_begin, .fini = clean) {
        struct daemon_run run = start("", 0);
        struct clock_line line = run.segments.guard.line;
        uint32_t generation = atomic_load(&segments_clock(&run.segments)->generation);

        cr_expect(ready(&run), "a first start has no fence to wait for");
        atomic_store(&segments_ledger(&run.segments)->next_client, 77);
        end(&run);
        run = start("", 0);
        cr_expect(ready(&run));
        cr_expect_arr_eq(&run.segments.guard.line, &line, sizeof(line));
        cr_expect_eq(atomic_load(&segments_ledger(&run.segments)->next_client), 77);
        cr_expect_eq(atomic_load(&segments_clock(&run.segments)->generation), generation + 1);
        end(&run);
}

static void waits_without(const char *lost) {
        struct daemon_run run = start("", 0);
        int64_t resume_ns;

        end(&run);
        lose("", lost);
        run = start("", 0);
        cr_expect_not(ready(&run));
        resume_ns = atomic_load(&segments_clock(&run.segments)->resume_boot_ns);
        cr_expect_gt(resume_ns, time_ns(CLOCK_BOOTTIME));
        end(&run);
        run = start("", 0);
        cr_expect_not(ready(&run), "killed while waiting");
        cr_expect_geq(atomic_load(&segments_clock(&run.segments)->resume_boot_ns),
                      resume_ns - NS_PER_TICK);
        end(&run);
}

/* U1, both. Red when the fence is not waited for, or when a daemon that died
 * while it waited leaves a clock and a ledger which the next one believes. */
Test(segments, waits_for_the_fence_without_its_ledger, .init = config_fixture_begin,
     .fini = clean) {
        waits_without("ledger");
}

Test(segments, waits_for_the_fence_without_its_clock, .init = config_fixture_begin, .fini = clean) {
        waits_without("clock");
}

/* U1. Red when a ledger is adopted beside which another daemon served the same
 * workers. */
Test(segments, does_not_adopt_a_ledger_that_missed_something, .init = config_fixture_begin,
     .fini = clean) {
        struct daemon_run run = start("", 0);

        end(&run);
        run = start("-other", 0);
        cr_expect_not(ready(&run));
        end(&run);
        run = start("", 0);
        cr_expect_not(ready(&run));
        end(&run);
}

/* Red when the run of workers is left out of what an adopted segment must show. */
Test(segments, does_not_adopt_segments_of_other_workers, .init = config_fixture_begin,
     .fini = clean) {
        struct daemon_run run = start("", 0);

        end(&run);
        run = start("", 1);
        cr_expect_eq(segments_clock(&run.segments)->worker_first, 1);
        cr_expect_eq(segments_ledger(&run.segments)->worker_first, 1);
        cr_expect_not(ready(&run));
        end(&run);
}

/* Nothing is promised above the fence (U3), so it says enough. */
static void promise(const struct daemon_run *run, uint64_t t1) {
        struct ledger_segment *ledger = segments_ledger(&run->segments);

        fence_word_set(fence_word_ledger(ledger), t1);
        atomic_store(&ledger->lanes[123].slots[1].t1, t1);
}

/* A state directory that was taken away does not take the promises with it. Red
 * when the fence of a ledger that is not adopted is not looked at. */
Test(segments, keeps_what_a_foreign_ledger_promised, .init = config_fixture_begin, .fini = clean) {
        struct daemon_run run = start("", 0);
        uint64_t promised = tick_of(&run) + 5000;

        promise(&run, promised);
        end(&run);
        lose_state_directory();
        run = start("", 0);
        cr_expect_not(ready(&run));
        cr_expect_geq(run.segments.guard.first_tick, promised);
        end(&run);
}

/* As if killed, with the fence where it was found. */
static void end_killed(struct daemon_run *run) {
        uint64_t found = lease_granted(run->lease)->fence_tick;

        segments_close(&run->segments);
        lease_release(run->lease, found);
        config_free(run->config);
}

/*
 * U1: an old client holds its reservation while two daemons end in a row, and
 * each time something else is lost. Red when a new ledger does not take over the
 * highest promise of the one it replaces.
 */
Test(segments, remembers_a_promise_over_several_losses, .init = config_fixture_begin,
     .fini = clean) {
        struct daemon_run run = start("", 0);
        uint64_t promised = tick_of(&run) + 5000;

        promise(&run, promised);
        end_killed(&run);
        lose_state_directory();
        run = start("", 0);
        cr_expect_not(ready(&run));
        cr_expect_eq(atomic_load(&segments_ledger(&run.segments)->fence), promised);
        end_killed(&run);
        lose("", "clock");
        run = start("", 0);
        cr_expect_not(ready(&run), "the ledger forgot");
        cr_expect_geq(run.segments.guard.first_tick, promised);
        end_killed(&run);
        lose_state_directory();
        lose("", "ledger");
        run = start("", 5); /* other workers: the clock's own wait is not taken over */
        cr_expect_not(ready(&run), "the clock forgot");
        cr_expect_geq(run.segments.guard.first_tick, promised);
        end_killed(&run);
}

/* U1: the clock alone is left. Red when a start with an empty state directory
 * and no ledger is believed to be a first one. */
Test(segments, a_clock_of_this_boot_is_no_first_start, .init = config_fixture_begin,
     .fini = clean) {
        struct daemon_run run = start("", 0);
        uint64_t fence = tick_of(&run) + AHEAD_TICKS;

        fence_word_set(fence_word_clock(segments_clock(&run.segments)), fence);
        end_killed(&run);
        lose_state_directory();
        lose("", "ledger");
        capture_take();
        run = start("", 0);
        cr_expect_not(ready(&run));
        cr_expect_eq(run.segments.guard.first_tick, fence + 1);
        cr_assert_contains(capture_take(), "check daemon.state_dir");
        end_killed(&run);
        /* of other workers it is not adopted, and still tells */
        run = start("", 7);
        cr_expect_eq(run.segments.guard.first_tick, fence + 1);
        end_killed(&run);
}

/* Red when a clean stop leaves the fence of a segment where it was. */
Test(segments, a_lowered_fence_is_not_waited_for, .init = config_fixture_begin, .fini = clean) {
        struct daemon_run run = start("", 0);
        uint64_t last = tick_of(&run);
        struct ledger *ledger;

        fence_word_set(fence_word_clock(segments_clock(&run.segments)), last + AHEAD_TICKS);
        fence_word_set(fence_word_ledger(segments_ledger(&run.segments)), last + AHEAD_TICKS);
        cr_assert_eq(ledger_new(&ledger, segments_ledger(&run.segments), run.segments.run, last),
                     0);
        ledger_copy_fence(ledger, fence_word_clock(segments_clock(&run.segments)));
        ledger_lower_fence(ledger, last);
        ledger_free(ledger);
        end_killed(&run);
        run = start("", 1);
        cr_expect_eq(run.segments.guard.first_tick, last + 1);
        end_killed(&run);
}

/* Red without the look at the owner word, or without the lock of the ledger. */
/* A coordinator gives the run back which another host had in between. */
static struct lease_grant coming_back;

static int open_coming_back(void **ret_backend, const struct fleet_kind *kind,
                            const struct config *config) {
        (void)kind, (void)config;
        *ret_backend = &coming_back;
        return 0;
}

static int claim_coming_back(void *backend, struct lease_grant *ret) {
        (void)backend;
        *ret = coming_back;
        return 0;
}

static int write_nowhere(void *backend, uint64_t fence_tick) {
        (void)backend, (void)fence_tick;
        return 0;
}

static void close_nothing(void *backend) {
        (void)backend;
}

static const char *place_of_nothing(void *backend) {
        (void)backend;
        return "nowhere";
}

static struct daemon_run start_with(uint64_t fence_tick, bool taken_anew) {
        static const struct lease_backend backend = { .open = open_coming_back,
                                                      .claim = claim_coming_back,
                                                      .write_fence = write_nowhere,
                                                      .close = close_nothing,
                                                      .place = place_of_nothing };
        struct daemon_run run;

        prepare(&run, "", 3);
        lease_release(run.lease, 0);
        coming_back = (struct lease_grant){ .worker_first = 3,
                                            .worker_count = 1,
                                            .fence_tick = fence_tick,
                                            .fence_of_run = true,
                                            .taken_anew = taken_anew };
        cr_assert_eq(lease_new(&run.lease, &backend, NULL, run.config), 0);
        cr_assert_eq(segments_start(&run.segments, run.config, run.lease), 0, "%s", capture_take());
        keep_time(&run);
        return run;
}

/* Red when clock and ledger of this boot count for more than the fence of whoever had
 * the run since: the published line may be behind it. */
Test(segments, a_run_that_was_anothers_is_waited_for, .init = config_fixture_begin, .fini = clean) {
        struct daemon_run run = start("", 3);
        uint64_t fence = tick_of(&run) + AHEAD_TICKS;

        cr_assert(ready(&run));
        end(&run);
        run = start_with(fence, true);
        cr_assert_not(run.segments.adopted, "it knows nothing of the others' IDs");
        cr_assert_not(ready(&run));
        cr_assert_gt(run.segments.guard.first_tick, fence);
        end(&run);
        run = start_with(fence, false);
        cr_assert_not(ready(&run), "the next daemon waits as well");
        end(&run);
}

Test(segments, is_not_shared_by_two_daemons, .init = config_fixture_begin, .fini = clean) {
        struct daemon_run run = start("", 0), second;
        struct ticker *ticker = NULL;

        /* the second has a state directory and a space, and so both locks, of its own */
        state_name = "state-2";
        prepare(&second, "", 0);
        capture_take();
        cr_expect_eq(segments_start(&second.segments, second.config, second.lease), -EBUSY);
        cr_assert_contains(capture_take(), "locked by another daemon");
        cr_assert_eq(ticker_new(&ticker, segments_clock(&run.segments), &wall_clock_kernel), 0);
        cr_expect_eq(segments_start(&second.segments, second.config, second.lease), -EBUSY);
        cr_assert_contains(capture_take(), "its ticker is thread");
        ticker_free(ticker);
        lease_release(second.lease, 0);
        config_free(second.config);
        end(&run);
}

/* A run that had grown goes on as it was, with its ledger; as far as it is still ours.
 * Red when same_run() compares the count, or begin_run() takes workers.count. */
Test(segments, a_grown_run_goes_on, .init = config_fixture_begin, .fini = clean) {
        static const struct {
                unsigned max_count, used, then;
        } cases[] = {
                { 4, 1, 1 }, { 4, 4, 4 }, { 2, 4, 2 }, { 8, 2, 2 }, { 1, 2, 1 },
        };
        struct daemon_run run = start("", 3);

        cr_assert_eq(run.segments.run.width, 4096);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                atomic_store(&segments_ledger(&run.segments)->worker_count, cases[i].used);
                atomic_store(&segments_clock(&run.segments)->worker_count, cases[i].used);
                end(&run);
                max_count = cases[i].max_count;
                run = start("", 3);
                cr_expect(run.segments.adopted && ready(&run), "case %zu", i);
                cr_expect_eq(run.segments.run.width, 4096 * cases[i].then, "case %zu", i);
                cr_expect_eq(segments_clock(&run.segments)->worker_count, cases[i].then);
                cr_expect_eq(segments_statistics(&run.segments)->worker_count, max_count);
        }
        end(&run);
}

/* Its own ledger knows nothing of the fence of whoever had the run in between, and a line
 * that goes on may be behind the wall clock by which the run had rested. Red when
 * adopt_ledger() does not look at taken_anew: it goes on below the fence. */
Test(segments, a_run_that_was_anothers_meanwhile, .init = config_fixture_begin, .fini = clean) {
        struct daemon_run run = start("", 3);

        anew_backend = lease_local;
        anew_backend.claim = claim_anew;
        end(&run);
        anew = true;
        run = start("", 3);
        cr_expect_not(run.segments.adopted);
        cr_expect_not(ready(&run));
        end(&run);
}

/* ---- damaged memory */

static uint64_t fence_on_disk(void) {
        char path[400];
        unsigned long long tick = 0;
        char line[160];
        FILE *file;

        snprintf(path, sizeof(path), "%s/state/fence", config_fixture.directory);
        file = fopen(path, "r");
        cr_assert_not_null(file);
        while (fgets(line, sizeof(line), file) != NULL)
                if (sscanf(line, "fence-tick %llu", &tick) == 1)
                        break;
        fclose(file);
        return tick;
}

/* A daemon that was killed, with a fence ahead of its clock. */
static uint64_t end_served(struct daemon_run *run) {
        uint64_t fence = tick_of(run) + AHEAD_TICKS;

        fence_word_set(fence_word_ledger(segments_ledger(&run->segments)), fence);
        fence_word_set(fence_word_clock(segments_clock(&run->segments)), fence);
        end(run);
        cr_assert_geq(fence_on_disk(), fence);
        return fence_on_disk();
}

static uint8_t *map_of(struct daemon_run *run, bool ledger) {
        return ledger ? run->segments.ledger.map : run->segments.clock.map;
}

/*
 * U3: bits of each word that is read at a start. The next daemon adopts the segment or makes
 * another; nothing that outlives it rises, and it waits for nothing above what was durable.
 * Red when a fence of memory is believed by itself, or first_tick is.
 */
static void flip_header(bool ledger, size_t from, size_t to) {
        static const unsigned bits[] = { 0, 13, 31, 45, 62 };
        struct daemon_run run = start("", 0);
        uint64_t fence = end_served(&run);

        for (size_t word = from; word < to; word += 8)
                for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
                        uint64_t found, generation;

                        run = start("", 0);
                        generation = atomic_load(&segments_clock(&run.segments)->generation);
                        found = fence;
                        fence_word_set(fence_word_ledger(segments_ledger(&run.segments)), fence);
                        fence_word_set(fence_word_clock(segments_clock(&run.segments)), fence);
                        map_of(&run, ledger)[word + bits[i] / 8] ^= (uint8_t)(1u << bits[i] % 8);
                        end_killed(&run);
                        run = start("", 0);
                        cr_assert_eq(fence_on_disk(), found, "%zu, bit %u: the fence rose", word,
                                     bits[i]);
                        cr_expect_leq(run.segments.guard.first_tick, found + 1, "%zu, bit %u",
                                      word, bits[i]);
                        cr_expect_eq(segments_ledger(&run.segments)->fence, found);
                        cr_expect_eq(segments_clock(&run.segments)->fence, found);
                        cr_expect_eq(run.segments.run.width, 4096);
                        /* never the same line without what it promised */
                        cr_expect(ready(&run) || run.segments.guard.first_tick == found + 1 ||
                                  generation == 0, "%zu, bit %u", word, bits[i]);
                        end_killed(&run);
                        lose("", "clock"); /* the next case begins with whole ones */
                        lose("", "ledger");
                }
}

Test(segments, each_word_of_a_damaged_ledger, .init = config_fixture_begin, .fini = clean) {
        capture_begin();
        flip_header(true, 0, 104);
}

Test(segments, each_word_of_a_damaged_clock, .init = config_fixture_begin, .fini = clean) {
        capture_begin();
        flip_header(false, 0, 144);
        flip_header(false, 320, 456);
}

/* What two segments say alike, and the state directory does not know, is no damage: it is an
 * old copy. Red when a fence above the one on disk never counts. */
Test(segments, an_old_state_directory_is_no_damage, .init = config_fixture_begin, .fini = clean) {
        struct daemon_run run = start("", 0);
        uint64_t fence = tick_of(&run) + AHEAD_TICKS;

        fence_word_set(fence_word_ledger(segments_ledger(&run.segments)), fence);
        end_killed(&run);
        run = start("", 0);
        cr_expect_eq(fence_on_disk(), fence);
        end_killed(&run);
}
