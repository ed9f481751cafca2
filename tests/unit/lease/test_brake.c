/* SPDX-License-Identifier: MIT */
/*
 * U1: the coordinator is put back to an old copy while hosts run. The first renewal of a host
 * that survived it brakes for all; see brake.h.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/fleet/resume.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fleet_hosts.h"

#define HORIZON_S 10 /* a renewal's fence is so far ahead */
#define HORIZON (HORIZON_S * 1000)

static struct memory_coordinator copy;
static struct host a, b, newcomer;

static void set_up(void) {
        capture_begin();
        memset(&a, 0, sizeof(a));
        memset(&b, 0, sizeof(b));
        memset(&newcomer, 0, sizeof(newcomer));
}

static void tear_down(void) {
        fleet_host_end(&a);
        fleet_host_end(&b);
        fleet_host_end(&newcomer);
        memory_end(&copy);
        memory_end(&fleet_hosts.memory);
        (void)capture_take();
}

TestSuite(brake, .init = set_up, .fini = tear_down);

static void copy_now(void) {
        memory_end(&copy);
        copy = memory_copy(&fleet_hosts.memory);
}

static void put_back(void) {
        memory_put_back(&fleet_hosts.memory, &copy);
}

static int renew(struct host *h) {
        return fleet_renew(h->fleet, NOW_TICK + HORIZON);
}

/* Time in which sessions do not end. */
static void live(int seconds) {
        for (; seconds > 0; seconds -= 10) {
                fleet_hosts.memory.now_ns += 10 * S;
                if (a.fleet != NULL)
                        cr_assert_eq(renew(&a), 0);
                if (b.fleet != NULL)
                        cr_assert_eq(renew(&b), 0);
        }
}

static struct record_contract contract_now(void) {
        struct record_contract contract;

        cr_assert_eq(record_contract_parse(memory_get(&fleet_hosts.memory, "contract"), &contract),
                     0);
        return contract;
}

static struct record_host record_of(const struct host *h) {
        static const struct id_layout layout = { .tick_bits = 41, .worker_bits = 2,
                                                 .sequence_bits = 20 };
        struct record_host record;
        char key[FLEET_KEY_MAX];

        fleet_key(key, 0, "host", fleet_nonce(h->fleet));
        cr_assert_eq(record_host_parse(memory_get(&fleet_hosts.memory, key), &layout,
                                       fleet_nonce(h->fleet), &record), 0);
        return record;
}

/* Red without a brake: the host takes its older record for that of a copy, and stops. */
Test(brake, U1_a_survivor_brakes_for_all) {
        struct record_contract contract;

        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        copy_now();
        live(20);
        put_back();
        fleet_hosts.memory.now_ns += S;
        cr_assert_eq(renew(&a), 0);
        cr_expect_eq(record_of(&a).fence_tick, NOW_TICK + HORIZON);
        contract = contract_now();
        cr_expect_geq(contract.recovered_unix_ms, (int64_t)NOW_TICK);
        cr_expect_geq(contract.not_before_tick, NOW_TICK + HORIZON_MS);
        cr_expect_eq(contract.claims_since_unix_ms, (int64_t)NOW_TICK - 1000,
                     "its last renewal before");
        cr_assert_eq(fleet_host_claim(&newcomer, "newcomer", 1), 0);
        cr_expect_geq(newcomer.grant.fence_tick, contract.not_before_tick);
        live(20);
        cr_expect_eq(contract_now().recovered_unix_ms, contract.recovered_unix_ms, "once");
}

/* Its record is not in the copy, and nobody has its worker IDs. */
Test(brake, U1_a_host_that_joined_later_writes_its_record_back) {
        struct record_host record;
        struct record_used used;

        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        copy_now();
        cr_assert_eq(fleet_host_claim(&b, "b", 2), 0);
        live(20);
        put_back();
        cr_assert_eq(renew(&b), 0);
        record = record_of(&b);
        cr_expect_eq(worker_set_count(&record.workers), 2);
        cr_assert_eq(record_used_parse(memory_get(&fleet_hosts.memory, "region/0/used"), 4, &used),
                     0);
        worker_set_subtract(&record.workers, &used.workers);
        cr_expect_eq(worker_set_count(&record.workers), 0, "they are used again");
        cr_assert_eq(renew(&a), 0, "it only sees that somebody has braked");
        live(50);
}

/* Of two that have the same worker IDs both give way, each at its next renewal: the one that
 * has them from the copy need not wait for the other, which may not come back for long. */
Test(brake, U1_of_two_with_the_same_worker_ids_both_give_way) {
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        copy_now();
        cr_assert_eq(fleet_host_claim(&b, "b", 2), 0);
        live(20);
        put_back();
        cr_assert_eq(fleet_host_claim(&newcomer, "newcomer", 2), 0);
        cr_expect_eq(newcomer.grant.worker_first, b.grant.worker_first);
        cr_assert_eq(renew(&a), 0);
        cr_expect_eq(renew(&newcomer), -ESTALE);
        cr_expect_eq(renew(&b), -ESTALE);
        cr_assert_contains(capture_take(), "event=lease-lost");
        cr_assert_eq(renew(&a), 0);
}

/* Nobody else notices: the one that loses its worker IDs brakes all the same. */
Test(brake, U1_who_loses_its_worker_ids_brakes_as_well) {
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        copy_now();
        fleet_host_end(&a);
        cr_assert_eq(fleet_host_claim(&b, "b", 2), 0);
        live(20);
        put_back();
        cr_assert_eq(fleet_host_claim(&newcomer, "newcomer", 2), 0);
        cr_expect_eq(newcomer.grant.worker_first, b.grant.worker_first);
        cr_expect_eq(renew(&b), -ESTALE);
        cr_expect_gt(contract_now().not_before_tick, NOW_TICK + HORIZON);
        cr_expect_eq(renew(&newcomer), -ESTALE);
}

/* An ordinary loss: it was away for so long that others took them. */
Test(brake, worker_ids_that_have_rested_are_lost_without_a_brake) {
        cr_assert_eq(fleet_host_claim(&a, "a", 4), 0);
        cr_assert_eq(renew(&a), 0);
        fleet_hosts.memory.now_ns += 200 * S;
        cr_assert_eq(fleet_host_claim(&b, "b", 4), 0);
        cr_expect_eq(renew(&a), -ESTALE);
        cr_expect_eq(contract_now().recovered_unix_ms, 0);
}

/* Generations only grow: the same copy, put back once more, is older than what hosts know. */
Test(brake, U1_the_same_copy_put_back_again_is_noticed) {
        int64_t first;

        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        copy_now();
        live(20);
        for (int i = 0; i < 2; i++) {
                first = contract_now().recovered_unix_ms;
                put_back();
                fleet_hosts.memory.now_ns += S;
                cr_assert_eq(renew(&a), 0);
                cr_expect_gt(contract_now().recovered_unix_ms, first);
        }
        fleet_remember(a.fleet, &a.memory);
        fleet_host_end(&a);
        put_back();
        cr_expect_eq(fleet_host_claim(&a, "a", 1), -EBADMSG, "nor does a start believe it");
}

/* Of a restart after the brake: it is the same host, and its claims are counted anew. */
Test(brake, a_survivor_restarts_as_ever) {
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_assert_eq(fleet_host_claim(&b, "b", 1), 0);
        live(100);
        copy_now();
        live(20);
        put_back();
        cr_assert_eq(renew(&a), 0);
        cr_assert_eq(renew(&b), 0);
        live(10);
        fleet_remember(b.fleet, &b.memory);
        fleet_host_end(&b);
        cr_assert_eq(fleet_host_claim(&b, "b", 1), 0);
        cr_expect_lt(b.grant.fence_tick, contract_now().not_before_tick, "it need not wait");
        cr_expect_not(b.grant.taken_anew);
}

/* Without its contract it may be another coordinator: nothing is written, and it is told once. */
Test(brake, an_emptied_coordinator_is_told_once) {
        const char *log;

        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        copy_now();
        live(10);
        (void)capture_take();
        capture_begin();
        while (fleet_hosts.memory.n_keys > 0)
                memory_put(&fleet_hosts.memory, fleet_hosts.memory.keys[0]->key, NULL);
        for (int i = 0; i < 3; i++)
                cr_assert_eq(renew(&a), -ENOENT);
        cr_expect_eq(fleet_hosts.memory.n_keys, 0);
        log = capture_take();
        cr_assert_contains(log, "event=coordinator-lost");
        cr_expect_null(strstr(strstr(log, "event=coordinator-lost") + 1, "event=coordinator-lost"));
        capture_begin();
        put_back();
        cr_assert_eq(renew(&a), 0, "it continues when it is there again");
}

/* Red when the fence is written first: a brake of another host in between is too low. */
Test(brake, the_contract_says_how_far_fences_are_ahead) {
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + HORIZON_MS + 1), 0);
        cr_expect_eq(contract_now().horizon_ms, HORIZON_MS + 10000);
        cr_assert_eq(renew(&a), 0);
}

/* Others may have had its worker IDs since, which the copy has forgotten. Red when the fence is
 * not looked at: then it issues beside whoever claimed them. */
Test(brake, U1_after_its_fence_a_survivor_puts_nothing_back) {
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        copy_now();
        live(20);
        put_back();
        fleet_hosts.memory.now_ns += 2 * HORIZON_S * S;
        cr_expect_eq(renew(&a), -ESTALE);
        cr_assert_contains(capture_take(), "their fence has passed");
        cr_expect_eq(contract_now().recovered_unix_ms, 0);
        fleet_remember(a.fleet, &a.memory);
        fleet_host_end(&a);
        cr_expect_eq(fleet_host_claim(&a, "a", 1), -EBADMSG, "it still knows that the copy is old");
}

/* Its record is as it wrote it; but whoever took the worker IDs after its fence may be missing. */
Test(brake, U1_a_fence_that_has_passed_gives_way_to_a_recovery) {
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        cr_assert_eq(fleet_host_claim(&b, "b", 1), 0);
        cr_assert_eq(renew(&b), 0);
        copy_now();
        cr_assert_eq(renew(&b), 0);
        put_back();
        cr_assert_eq(renew(&b), 0, "it brakes");
        fleet_hosts.memory.now_ns += 2 * HORIZON_S * S;
        cr_expect_eq(renew(&a), -ESTALE);
        fleet_remember(a.fleet, &a.memory);
        cr_expect_eq(a.memory.recovered_unix_ms, (uint64_t)contract_now().recovered_unix_ms);
}

/* A later brake must not take its claim for an old one. Red when only a claim sets the time. */
Test(brake, U1_who_renews_after_its_fence_has_claimed_then) {
        struct fleet_memory memory;

        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        fleet_remember(a.fleet, &memory);
        cr_expect_leq(memory.claimed_unix_ms, NOW_TICK - 90000);
        fleet_hosts.memory.now_ns += 2 * HORIZON_S * S;
        cr_assert_eq(renew(&a), 0);
        fleet_remember(a.fleet, &memory);
        cr_expect_eq(memory.claimed_unix_ms, NOW_TICK);
}

Test(brake, U1_what_a_run_has_grown_by_was_claimed_then) {
        struct fleet_memory memory;

        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        a.fleet->parts.max_count = 2;
        cr_assert_eq(fleet_grow(a.fleet, 2), 0);
        fleet_remember(a.fleet, &memory);
        cr_expect_eq(memory.claimed_unix_ms, NOW_TICK);
        cr_expect_eq(memory.claims, 2);
}

/* A growth from an old copy takes what others were given since. Red when only renewals look
 * whether somebody has braked. */
Test(brake, U1_a_run_does_not_grow_before_it_has_looked) {
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_assert_eq(renew(&a), 0);
        a.fleet->parts.max_count = 2;
        live(10);
        copy_now();
        cr_assert_eq(fleet_host_claim(&b, "b", 1), 0);
        cr_assert_eq(renew(&b), 0);
        put_back();
        cr_assert_eq(renew(&b), 0, "it brakes");
        cr_expect_eq(fleet_grow(a.fleet, 2), -ESTALE, "it has claimed less than a minute before");
}

/* It restarted while the coordinator was away, goes on from its memory, and finds an old copy. */
Test(brake, U1_who_goes_on_from_memory_brakes_as_well) {
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        copy_now();
        cr_assert_eq(fleet_host_claim(&b, "b", 1), 0);
        live(10);
        fleet_remember(b.fleet, &b.memory);
        fleet_host_end(&b);
        b.starts_away = true;
        cr_assert_eq(fleet_host_claim(&b, "b", 1), -EIO);
        cr_assert_eq(fleet_resume(b.fleet, &b.grant), 0);
        put_back();
        b.link.away = false;
        cr_assert_eq(fleet_confirm(b.fleet), 0);
        cr_expect_eq(contract_now().claims_since_unix_ms, (int64_t)b.memory.confirmed_unix_ms);
        cr_expect_eq(record_of(&b).fence_tick, b.memory.fence_tick);
        cr_assert_eq(renew(&b), 0);
        cr_assert_eq(renew(&a), 0);
}

/* Nobody can have claimed them. Red when each claim begins above what a recovery says. */
Test(brake, who_restarts_before_its_fence_need_not_wait) {
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        live(100);
        cr_assert_eq(fleet_host_claim(&b, "b", 1), 0);
        live(10);
        copy_now();
        live(10);
        fleet_remember(a.fleet, &a.memory);
        fleet_host_end(&a);
        put_back();
        cr_expect_eq(fleet_host_claim(&a, "a", 1), -EBADMSG);
        cr_assert_eq(renew(&b), 0, "it brakes");
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_expect_eq(a.grant.fence_tick, a.memory.fence_tick);
        cr_expect_not(a.grant.taken_anew);
}

/* Whoever took its record away may have been forgotten. Red when only a claim of the same worker
 * IDs begins above what this host has promised. */
Test(brake, U1_whose_record_is_gone_begins_above_its_fence) {
        char key[FLEET_KEY_MAX];

        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_assert_eq(renew(&a), 0);
        fleet_remember(a.fleet, &a.memory);
        memory_put(&fleet_hosts.memory, fleet_key(key, 0, "host", fleet_nonce(a.fleet)), NULL);
        fleet_host_end(&a);
        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_expect_neq(a.grant.worker_first, a.memory.first);
        cr_expect_geq(a.grant.fence_tick, a.memory.fence_tick);
}
