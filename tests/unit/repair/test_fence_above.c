/* SPDX-License-Identifier: MIT */
/*
 * A person says above what IDs go on. What is found in the state directory
 * decides whether that is done; whether the next daemon then begins above it is
 * tests/integration/lease/test_fence_above.c.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/lease/local.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/lease/state/identity.h"
#include "daemon/lease/state/ledger_id.h"
#include "daemon/repair/above.h"
#include "daemon/repair/fence_above.h"
#include "tests/support/capture.h"
#include "tests/unit/support/state_fixture.h"

#define DAY_MS INT64_C(86400000)

TestSuite(fence_above, .init = state_fixture_begin, .fini = state_fixture_end);

static void spit(const char *name, const void *bytes, size_t size) {
        int fd = open(state_fixture_file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        cr_assert(fd >= 0);
        cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
        close(fd);
}

static size_t slurp(const char *name, char text[FENCE_FILE_TEXT_MAX]) {
        int fd = open(state_fixture_file(name), O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? 0 : read(fd, text, FENCE_FILE_TEXT_MAX);

        if (fd >= 0)
                close(fd);
        cr_assert(n >= 0);
        return (size_t)n;
}

static uint64_t tick_in(int64_t ms) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ms -
                          state_fixture.config.layout.epoch_unix_ms);
}

/* As an ID, with what is below the tick all set. */
static const char *id_in(uint64_t tick) {
        static char text[32];

        snprintf(text, sizeof(text), "%" PRIu64, tick << 22 | 0x3fffff);
        return text;
}

static void write_state(uint64_t fence_tick, void (*change)(struct fence_state *state)) {
        struct fence_state state;
        char text[FENCE_FILE_TEXT_MAX];

        cr_assert_eq(identity_describe(&state, &state_fixture.config), 0);
        state.fence_tick = fence_tick;
        if (change != NULL)
                change(&state);
        cr_assert(mkdir(state_fixture.dir, 0700) == 0 || errno == EEXIST);
        spit("fence", text, fence_file_encode(&state, text));
        spit("lock", "1\n", 2);
        spit("ledger-lineage", "0123456789abcdef", LEDGER_ID_SIZE);
}

static bool has_lineage(void) {
        uint8_t lineage[LEDGER_ID_SIZE];

        return ledger_id_read(state_fixture.dir, lineage) == 0;
}

/* As another daemon of this configuration sees it. */
static uint64_t fence_found(void) {
        struct lease_grant grant;
        void *backend = NULL;

        cr_assert_eq(lease_local.open(&backend, NULL, &state_fixture.config), 0);
        cr_assert_eq(lease_local.claim(backend, &grant), 0);
        lease_local.close(backend);
        return grant.fence_tick;
}

static void expect_done(uint64_t tick) {
        capture_begin();
        cr_assert_eq(fence_above(&state_fixture.config, id_in(tick), false), 0, "%s",
                     capture_take());
        cr_expect_not(has_lineage(), "the next daemon would adopt the ledger");
        cr_expect_eq(fence_found(), tick);
}

static void expect_refused(const char *text, bool force, int error, const char *part) {
        char before[FENCE_FILE_TEXT_MAX], after[FENCE_FILE_TEXT_MAX];
        size_t size = slurp("fence", before);
        bool had_lineage = has_lineage();

        capture_begin();
        cr_assert_eq(fence_above(&state_fixture.config, text, force), error);
        cr_assert_contains(capture_take(), part);
        cr_assert_eq(slurp("fence", after), size);
        cr_assert_eq(memcmp(before, after, size), 0);
        cr_assert_eq(has_lineage(), had_lineage);
}

static const struct {
        const char *text;
        int error;
        uint64_t tick;
} texts[] = {
        { "2025-01-01T00:00:01Z", 0, 1000 },
        { "2025-01-01T00:00:01.5Z", 0, 1500 },
        { "2025-01-01T00:00:01.123Z", 0, 1123 },
        /* never below what was said */
        { "2025-01-01T00:00:01.123000001Z", 0, 1124 },
        { "2025-01-01T00:00:01.999999999Z", 0, 2000 },
        { "2025-01-01T00:00:00Z", 0, 1 }, /* 0 would say: no ID was ever issued */
        { "0", 0, 1 },
        { "4194303", 0, 1 },
        { "4194304", 0, 1 },
        { "8388608", 0, 2 },
        { "251497178726420522", 0, 59961600000 },
        { "9223372036846387199", 0, 2199023255549 },
        { "9223372036850581504", -ERANGE, 0 }, /* the last tick: nothing is above it */
        { "9223372036854775807", -ERANGE, 0 },
        { "9223372036854775808", -ERANGE, 0 },
        { "18446744073709551617", -ERANGE, 0 },
        { "99999999999999999999999999", -ERANGE, 0 },
        { "2024-12-31T23:59:59Z", -ERANGE, 0 },
        { "2095-01-01T00:00:00Z", -ERANGE, 0 },
        { "", -EINVAL, 0 },
        { "-1", -EINVAL, 0 },
        { "+1", -EINVAL, 0 },
        { " 1", -EINVAL, 0 },
        { "1 ", -EINVAL, 0 },
        { "0x10", -EINVAL, 0 },
        { "12ab", -EINVAL, 0 },
        { "yesterday", -EINVAL, 0 },
        { "@1735689601.0001", 0, 1001 },
        { "2025-01-02", 0, 86400000 },
        { "2025-01-01 01:00:01+01:00", 0, 1000 },
        { "now", -EINVAL, 0 },
        { "2026-11-23T18:00:00", -EINVAL, 0 },
        { "2026-11-31T18:00:00Z", -EINVAL, 0 },
        { "2026-11-23T18:00:00.Z", -EINVAL, 0 },
        { "2026-11-23T18:00:00.5", -EINVAL, 0 },
        { "2026-11-23T18:00:00.5ZZ", -EINVAL, 0 },
        { "2026-11-23T18:00.5:00Z", -EINVAL, 0 },
        { "2026-11-23T18:00:00.1234567890Z", -EINVAL, 0 },
        { "2026-11-23T18:00:00.5Z and much more text than any time has", -EINVAL, 0 },
};

/* Red when a fraction is cut off instead of rounded up, a number wraps, or the
 * tick of an ID is taken of another layout. */
Test(fence_above, an_id_or_a_time_is_all_of_the_text) {
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                uint64_t tick = 77;

                cr_expect_eq(above_parse(&id_layout_default, texts[i].text, &tick),
                             texts[i].error, "'%s'", texts[i].text);
                cr_expect_eq(tick, texts[i].error == 0 ? texts[i].tick : 77, "'%s': %" PRIu64,
                             texts[i].text, tick);
        }
}

Test(fence_above, an_id_is_one_of_the_configured_layout) {
        struct id_layout layout = { .tick_bits = 39, .worker_bits = 16, .sequence_bits = 8 };
        uint64_t tick = 0;

        cr_assert_eq(above_parse(&layout, "1677721600", &tick), 0);
        cr_assert_eq(tick, 100);
}

/* Also the way to begin above IDs from elsewhere. Red when the lock is not signed:
 * the fence, lost again, would pass for a first start. */
Test(fence_above, a_first_start_begins_above_migrated_ids) {
        uint64_t tick = tick_in(5000);
        void *backend = NULL;

        cr_assert_eq(fence_above(&state_fixture.config, id_in(tick), false), 0);
        cr_assert_eq(unlink(state_fixture_file("fence")), 0);
        capture_begin();
        cr_assert_eq(lease_local.open(&backend, NULL, &state_fixture.config), -ENOENT);
        expect_done(tick);
}

/* Never below a good fence of this machine. Red without that comparison. */
Test(fence_above, a_good_fence_only_goes_up) {
        uint64_t tick = tick_in(0);

        write_state(tick, NULL);
        expect_refused(id_in(tick - 1), false, -EEXIST, "never goes down");
        expect_refused(id_in(tick - 1), true, -EEXIST, "never goes down");
        cr_assert_eq(fence_found(), tick);
        expect_done(tick);
        write_state(tick, NULL);
        expect_done(tick + 1);
}

static void other_machine(struct fence_state *state) {
        state->machine_id[0] ^= 1;
}

/* A higher fence as well: it is not about this machine's IDs. */
Test(fence_above, what_cannot_be_trusted_is_replaced) {
        uint64_t tick = tick_in(0);
        char text[FENCE_FILE_TEXT_MAX];

        write_state(tick + 9999, other_machine);
        expect_done(tick);
        write_state(tick + 9999, NULL);
        spit("fence", text, slurp("fence", text) - 1);
        expect_done(tick);
        write_state(tick + 9999, NULL);
        spit("fence", "sfshm-state 2\nwhatever\n", 23);
        expect_done(tick);
        write_state(tick + 9999, NULL);
        cr_assert_eq(unlink(state_fixture_file("fence")), 0);
        expect_done(tick);
}

/* IDs of another layout or epoch are no order of ours: that is no way out. */
static void other_epoch(struct fence_state *state) {
        state->layout.epoch_unix_ms -= 1000;
}
static void other_layout(struct fence_state *state) {
        state->layout.region_bits = 2;
}
Test(fence_above, another_layout_or_epoch_stays_refused) {
        write_state(1, other_epoch);
        expect_refused(id_in(tick_in(0)), true, -EINVAL, "Set id.epoch back");
        write_state(1, other_layout);
        expect_refused(id_in(tick_in(0)), true, -EINVAL, "Set id.layout");
}

/* Red when the wall clock is not asked, or --force is not. */
Test(fence_above, more_than_a_day_ahead_needs_force) {
        uint64_t tick = tick_in(DAY_MS + 60000);

        write_state(1, NULL);
        expect_refused(id_in(tick), false, -ERANGE, "--force");
        expect_refused("9223372036846387199", false, -ERANGE, "days ahead");
        cr_assert_eq(fence_above(&state_fixture.config, id_in(tick), true), 0);
        cr_assert_eq(fence_found(), tick);
        expect_refused("9223372036850581504", true, -ERANGE, "outside the times");
}

Test(fence_above, bad_texts_and_a_running_daemon_are_named) {
        void *backend = NULL;

        write_state(1, NULL);
        expect_refused("yesterday", false, -EINVAL, "\"yesterday\" is neither an ID nor a time");
        expect_refused("2024-01-01T00:00:00Z", false, -ERANGE, "from 2025-01-01T00:00:00.001Z");
        cr_assert_eq(lease_local.open(&backend, NULL, &state_fixture.config), 0);
        expect_refused(id_in(tick_in(0)), false, -EBUSY, "stop it first");
        lease_local.close(backend);
        expect_done(tick_in(0));
}

/* U1: killed in between, or without room for the new fence, no daemon may adopt the
 * ledger and go on below what was asked for. Red when the fence is written first. */
Test(fence_above, U1_the_ledger_is_given_up_before_the_fence_is_raised) {
        write_state(1, NULL);
        cr_assert_eq(mkdir(state_fixture_file("fence.new"), 0700), 0);
        cr_assert_eq(mkdir(state_fixture_file("fence.new/x"), 0700), 0);
        capture_begin();
        cr_assert_lt(fence_above(&state_fixture.config, id_in(tick_in(0)), false), 0);
        cr_assert_contains(capture_take(), "repeat this");
        cr_assert_not(has_lineage());
        cr_assert_eq(fence_found(), 1);
}
