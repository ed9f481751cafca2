/* SPDX-License-Identifier: MIT */
/* What a host reads and does does not grow with the number of hosts in its region. */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/lease/fleet/survey.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fleet_hosts.h"

#define FEW_BYTES 2048 /* of a handful of keys */

static struct memory_host link = { .memory = &fleet_hosts.memory };
static struct fleet *fleet;
static struct lease_grant grant;
static struct { uint64_t lists, bytes; } before;

static void end(void) {
        fleet = fleet_free(fleet);
        memory_end(&fleet_hosts.memory);
}

TestSuite(fleet_scale, .fini = end, .timeout = 120);

static struct fleet_space space_of(uint8_t worker_bits) {
        return (struct fleet_space){ { .tick_bits = 41, .worker_bits = worker_bits,
                                       .sequence_bits = (uint8_t)(22 - worker_bits) }, 0 };
}

/* Records in the order of their keys, so that the fake one need not sort. */
static void put_host(const struct fleet_space *space, uint32_t worker) {
        struct record_host record = { .since_unix_ms = 1, .fence_tick = 1, .renewals = 1 };
        char key[FLEET_KEY_MAX], *text;

        snprintf(record.nonce, RECORD_HEX, "%032" PRIx32, worker);
        snprintf(record.life, RECORD_HEX, "%032" PRIx32, worker);
        memset(record.who.machine_id, 'a', RECORD_HEX - 1);
        memset(record.who.boot_id, 'b', RECORD_HEX - 1);
        snprintf(record.who.host, RECORD_NAME, "host-%" PRIu32, worker);
        snprintf(record.who.directory, RECORD_NAME, "d");
        worker_set_add(&record.workers, worker);
        text = record_host_text(&record, &space->layout);
        memory_put(&fleet_hosts.memory, fleet_key(key, 0, "host", record.nonce), text);
        free(text);
        memory_put(&fleet_hosts.memory, fleet_key(key, 0, "alive", record.life), "{}");
}

/* A region in which so many worker IDs were used, each by one host that lives. */
static void put_region(const struct fleet_space *space, uint32_t hosts) {
        struct record_contract contract = { .layout = space->layout, .horizon_ms = HORIZON_MS };
        struct record_used used = { .claims = hosts };
        char *text;

        memset(contract.space, 'c', RECORD_HEX - 1);
        worker_set_add(&contract.regions, 0);
        for (uint32_t w = 0; w < hosts; w++) {
                worker_set_add(&used.workers, w);
                put_host(space, w);
        }
        text = record_contract_text(&contract);
        memory_put(&fleet_hosts.memory, "contract", text);
        free(text);
        text = record_used_text(&used);
        memory_put(&fleet_hosts.memory, "region/0/used", text);
        free(text);
}

static void make(const struct fleet_space *space, const char *nonce) {
        struct fleet_parts parts = {
                .calls = &memory_calls, .coordinator = &link,
                .environment = fleet_hosts_environment, .space = *space, .count = 1,
                .max_count = 2, .recycle_delay_ns = RECYCLE_S * S, .ttl_ns = TTL,
                .who = { .host = "h", .machine_id = "11111111111111111111111111111111",
                         .boot_id = "22222222222222222222222222222222", .directory = "1" },
                .counters = &fleet_hosts.counters,
        };

        snprintf(parts.memory.nonce, RECORD_HEX, "%s", nonce);
        fleet_free(fleet);
        cr_assert_eq(fleet_new(&fleet, &parts), 0);
}

static void mark(void) {
        before.lists = fleet_hosts.memory.n_lists;
        before.bytes = fleet_hosts.memory.bytes_listed;
}

static void expect_read(uint64_t keys) {
        cr_expect_eq(fleet_hosts.memory.n_lists - before.lists, keys, "%" PRIu64 " reads",
                     fleet_hosts.memory.n_lists - before.lists);
        cr_expect_lt(fleet_hosts.memory.bytes_listed - before.bytes, FEW_BYTES);
}

/* Red when the region is listed: then a start reads what all hosts have written. */
Test(fleet_scale, a_region_of_65536_is_joined_by_few_keys) {
        const struct fleet_space space = space_of(16);
        char nonce[RECORD_HEX], *used;

        put_region(&space, 65534);
        make(&space, "");
        mark();
        cr_assert_eq(fleet_claim(fleet, &grant), 0);
        expect_read(2); /* contract, used */
        cr_assert_eq(grant.worker_first, 65534);

        /* a restart, which takes up its own run: the contract and its record */
        memcpy(nonce, fleet_nonce(fleet), RECORD_HEX);
        used = strdup(memory_get(&fleet_hosts.memory, "region/0/used"));
        make(&space, nonce);
        mark();
        cr_assert_eq(fleet_claim(fleet, &grant), 0);
        expect_read(2);
        cr_assert_eq(grant.worker_first, 65534);
        cr_assert_str_eq(memory_get(&fleet_hosts.memory, "region/0/used"), used);
        free(used);

        mark();
        cr_assert_eq(fleet_grow(fleet, 2), 0);
        expect_read(2);
        mark();
        for (int i = 0; i < 10; i++) {
                cr_assert_eq(fleet_renew(fleet, NOW_TICK + 1000), 0);
                fleet_survey_renewed(fleet);
        }
        expect_read(1); /* used, once: a restart has not seen how many hosts there may be */
}

#define EXPECT_HELD(count) \
        cr_expect_eq(atomic_load_explicit(&fleet_hosts.counters.held, memory_order_relaxed), count)

/* Red when the size of the region stands for the number of its hosts: then the metrics say
 * for days that nothing is held, and after a restart that nothing is free. */
Test(fleet_scale, few_hosts_in_a_large_region_are_counted_at_once) {
        const struct fleet_space space = space_of(16);
        char nonce[RECORD_HEX];

        put_region(&space, 20);
        make(&space, "");
        cr_assert_eq(fleet_claim(fleet, &grant), 0);
        cr_assert_eq(fleet_renew(fleet, NOW_TICK + 1000), 0);
        fleet_survey_renewed(fleet);
        EXPECT_HELD(21);
        atomic_store_explicit(&fleet_hosts.counters.held, 0, memory_order_relaxed);
        memcpy(nonce, fleet_nonce(fleet), RECORD_HEX);
        make(&space, nonce);
        cr_assert_eq(fleet_claim(fleet, &grant), 0);
        cr_assert_eq(fleet_renew(fleet, NOW_TICK + 1000), 0);
        fleet_survey_renewed(fleet);
        EXPECT_HELD(21);
}

/* Only then the region is listed: once an attempt, and each record is looked at once. */
Test(fleet_scale, a_full_region_is_listed) {
        const struct fleet_space space = space_of(14);

        put_region(&space, 16384);
        make(&space, "");
        mark();
        capture_begin();
        cr_assert_eq(fleet_claim(fleet, &grant), -EBUSY);
        cr_assert_contains(capture_take(), "16384 are held by live hosts");
        cr_expect_eq(fleet_hosts.memory.n_lists - before.lists, 4);
}

/* Red when all list it at their first renewal: 1,000 hosts that start together would read a
 * gigabyte within ten seconds. */
Test(fleet_scale, many_hosts_that_start_at_once_count_in_turn) {
        const struct fleet_space space = space_of(16);
        unsigned at_once = 0;

        put_region(&space, 1000);
        for (unsigned i = 0; i < 100; i++) {
                uint64_t lists;

                make(&space, "");
                cr_assert_eq(fleet_claim(fleet, &grant), 0);
                lists = fleet_hosts.memory.n_lists;
                fleet_survey_renewed(fleet);
                at_once += fleet_hosts.memory.n_lists > lists;
        }
        cr_expect_leq(at_once, 30, "%u of 100", at_once);
}

static long peak_kib(void) {
        struct rusage usage;

        cr_assert_eq(getrusage(RUSAGE_SELF, &usage), 0);
        return usage.ru_maxrss;
}

/* Each daemon does so again and again, also where its memory is limited to 256 MiB. Red when the
 * records are kept, 8 KiB each. */
Test(fleet_scale, the_metrics_need_no_room_for_all_records) {
        const struct fleet_space space = space_of(14);
        long peak;

        put_region(&space, 16382);
        make(&space, "");
        cr_assert_eq(fleet_claim(fleet, &grant), 0);
        peak = peak_kib();
        /* relaxed, both: one thread */
        while (atomic_load_explicit(&fleet_hosts.counters.held, memory_order_relaxed) == 0)
                fleet_survey_renewed(fleet);
        EXPECT_HELD(16383);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cr_expect_lt(peak_kib() - peak, 64 << 10);
#else
        (void)peak; /* their own memory grows as well */
#endif
}

/* All 65,536 must fit into a pod of 256 MiB. Red when each keeps a set of worker IDs, 8 KiB. */
Test(fleet_scale, a_list_has_room_for_all_hosts) {
        const struct fleet_space space = space_of(14);
        struct fleet_view *view = NULL;
        long peak;

        put_region(&space, 16384);
        peak = peak_kib();
        cr_assert_eq(fleet_view_read(&view, &memory_calls, &link, &space), 0);
        cr_expect_eq(view->n_owners, 16384);
        cr_expect_str_eq(view->owners[view->of_worker[16383]].record->workers, "16383");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cr_expect_lt(peak_kib() - peak, 50 << 10, "%ld KiB", peak_kib() - peak);
#else
        (void)peak;
#endif
        fleet_view_free(view);
}

/* Another contract is refused before anything else is read. */
Test(fleet_scale, a_refusal_needs_no_list) {
        const struct fleet_space space = space_of(16), other = space_of(14);

        put_region(&space, 100);
        make(&other, "");
        mark();
        capture_begin();
        cr_assert_eq(fleet_claim(fleet, &grant), -EINVAL);
        cr_assert_contains(capture_take(), "coordinator-contract");
        expect_read(1);
}
