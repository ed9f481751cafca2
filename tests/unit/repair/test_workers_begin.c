/* SPDX-License-Identifier: MIT */
/* U1: what begins or continues a space, and what is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/repair/workers_begin.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fleet_hosts.h"

#define DRAWN "dddddddddddddddddddddddddddddddd"
#define KNOWN "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct memory_host link;
static struct workers_begin begin;
static struct record_contract contract;

static void setup(void) {
        link = (struct memory_host){ .memory = &fleet_hosts.memory };
        contract = (struct record_contract){ .recovered_unix_ms = 0 };
        begin = (struct workers_begin){ .calls = &memory_calls, .coordinator = &link,
                                        .place = "memory", .space = FLEET_SPACE,
                                        .remembered = "", .drawn = DRAWN, .unix_ms = 5000,
                                        .least_tick = 7000 };
        capture_begin();
}

static void teardown(void) {
        memory_end(&fleet_hosts.memory);
}

TestSuite(workers_begin, .init = setup, .fini = teardown);

static void expect_refused(const char *why) {
        const char *text;

        cr_assert_lt(workers_begin(&begin, &contract), 0, "%s", why);
        text = capture_take();
        cr_assert_not_null(strstr(text, why), "'%s' is not in: %s", why, text);
        capture_begin();
}

static void expect_begun(const char *space, int64_t recovered_ms, uint64_t not_before) {
        struct fleet_view *view = fleet_hosts_look();

        cr_assert_str_eq(view->contract.space, space);
        cr_assert_eq(view->contract.recovered_unix_ms, recovered_ms);
        cr_assert_eq(view->contract.not_before_tick, not_before);
        fleet_view_free(view);
}

/* Red when the contract is written without a condition. */
Test(workers_begin, once) {
        cr_assert_eq(workers_begin(&begin, &contract), 0);
        expect_begun(DRAWN, 0, 0);
        expect_refused("was begun at memory");
        begin.space.layout.sequence_bits = 19;
        begin.space.layout.tick_bits = 42;
        begin.above_tick = 7000;
        expect_refused("layout");
}

/* To begin above the IDs of another generator is no recovery, and needs no --force. */
Test(workers_begin, a_new_space_begins_above_what_is_asked) {
        struct host a = { .nonce = "" };

        begin.above_tick = 3000;
        cr_assert_eq(workers_begin(&begin, &contract), 0);
        expect_begun(DRAWN, 0, 3000);
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_assert_eq(a.grant.fence_tick, 3000, "it begins above the fence of its run");
        fleet_host_end(&a);
}

/* U1: IDs of a space which a host remembers exist; a random name would make them again. */
Test(workers_begin, a_known_space_needs_above) {
        begin.remembered = KNOWN;
        expect_refused("IDs of the space " KNOWN " exist");
        begin.above_tick = 6999;
        expect_refused("--force");
        begin.above_tick = 7000;
        cr_assert_eq(workers_begin(&begin, &contract), 0);
        expect_begun(KNOWN, 5000, 7000);
}

Test(workers_begin, a_space_that_is_named) {
        begin.named = "7";
        begin.above_tick = 7000;
        expect_refused("32 lower-case hexadecimal digits");
        begin.named = KNOWN;
        begin.above_tick = 0;
        expect_refused("IDs of the space " KNOWN " exist");
        begin.above_tick = 7000;
        cr_assert_eq(workers_begin(&begin, &contract), 0);
        begin.named = OTHER;
        expect_refused("correct that, or the address and the prefix");
        begin.named = NULL;
        begin.remembered = OTHER;
        expect_refused("correct that, or the address and the prefix");
        expect_begun(KNOWN, 5000, 7000);
}

/* The operator's recovery from an old copy: newer than all that hosts know, even in the same
 * millisecond; regions stay. */
Test(workers_begin, a_space_is_continued) {
        cr_assert_eq(workers_begin(&begin, &contract), 0);
        begin.above_tick = 7000;
        cr_assert_eq(workers_begin(&begin, &contract), 0);
        expect_begun(DRAWN, 5000, 7000);
        begin.above_tick = 8000;
        cr_assert_eq(workers_begin(&begin, &contract), 0);
        expect_begun(DRAWN, 5001, 8000);
        begin.above_tick = 7500;
        expect_refused("issue those between the two again");
        begin.least_tick = 0; /* --force */
        cr_assert_eq(workers_begin(&begin, &contract), 0);
        expect_begun(DRAWN, 5002, 7500);
}

/* U1: without its contract a region is not begun anew; its used worker IDs stay used. */
Test(workers_begin, keys_of_hosts_without_a_contract) {
        struct host a = { .nonce = "" };

        cr_assert_eq(workers_begin(&begin, &contract), 0);
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        memory_put(&fleet_hosts.memory, "contract", NULL);
        expect_refused("keys of hosts, and no key contract");
        begin.above_tick = 7000;
        cr_assert_eq(workers_begin(&begin, &contract), 0);
        cr_assert(worker_set_has(&contract.regions, 0));
        expect_begun(DRAWN, 5000, 7000);
        fleet_host_end(&a);
}

static void continue_above(uint64_t tick) {
        begin.above_tick = tick;
        cr_assert_eq(workers_begin(&begin, &contract), 0);
}

static void end_remembered(struct host *h) {
        fleet_remember(h->fleet, &h->memory);
        fleet_host_end(h);
}

/* U1: its record may be an old copy's, whose worker IDs another host has had since. Red when
 * only a claim of other worker IDs begins above it. */
Test(workers_begin, a_host_of_the_space_begins_above_it) {
        struct host a = { .nonce = "" };

        cr_assert_eq(workers_begin(&begin, &contract), 0);
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 100), 0);
        end_remembered(&a);
        continue_above(7000);
        fleet_hosts.memory.now_ns += S; /* its fence has passed */
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_expect_str_eq(fleet_nonce(a.fleet), a.memory.nonce, "its own run");
        cr_expect_eq(a.grant.fence_tick, 7000);
        cr_expect(a.grant.taken_anew, "the shared memory does not know the other host's IDs");
        end_remembered(&a);

        /* it has begun above it by now */
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_expect_eq(a.grant.fence_tick, 7000);
        cr_assert_eq(fleet_renew(a.fleet, 7001), 0);
        end_remembered(&a);
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_expect_eq(a.grant.fence_tick, 7001);
        cr_expect_not(a.grant.taken_anew);
        fleet_host_end(&a);
}

static const struct coordinator_calls *real;

static int continue_and_commit(void *coordinator, const struct coordinator_commit *commit) {
        fleet_hosts.calls = real;
        continue_above(7000);
        return real->commit(coordinator, commit);
}

/* Red when the contract is no condition of a restart: it is read before the rest. */
Test(workers_begin, while_a_host_starts) {
        static struct coordinator_calls calls;
        struct host a = { .nonce = "" };

        cr_assert_eq(workers_begin(&begin, &contract), 0);
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        snprintf(a.nonce, sizeof(a.nonce), "%s", fleet_nonce(a.fleet));
        fleet_host_end(&a);
        real = fleet_hosts.calls;
        calls = *real;
        calls.commit = continue_and_commit;
        fleet_hosts.calls = &calls;
        cr_assert_eq(fleet_host_claim(&a, "a", 1), -EAGAIN);
        fleet_host_end(&a);
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_expect_eq(a.grant.fence_tick, 7000);
        fleet_host_end(&a);
}
