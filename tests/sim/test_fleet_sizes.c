/* SPDX-License-Identifier: MIT */
/*
 * Fleets in which nothing goes wrong but that hosts die: worker IDs come back in time,
 * and no later; how many are enough; what a coordinator has to do.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet_world.h"

static bool is_long(void) {
        return getenv("SFSHM_LONG") != NULL;
}

static double cpu_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static uint32_t n_serving(void) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < fleet_world.rules.hosts; i++)
                n += fleet_world.hosts[i].serving;
        return n;
}

/* ---- a newcomer whose requests take no time */

struct probe {
        struct memory_host link;
        struct lease_counters counters;
        int64_t ahead_ns;
        struct fleet *fleet;
};

static int64_t probe_boot_ns(void *context) {
        (void)context;
        return fleet_world.now_ns;
}

static int64_t probe_unix_ms(void *context) {
        const struct probe *probe = context;
        struct sim_host right = { .wall_ahead_ns = probe->ahead_ns };

        return host_wall_ns(&right) / MS;
}

static void probe_random(void *context, uint8_t bytes[16]) {
        (void)context;
        for (int i = 0; i < 16; i++)
                bytes[i] = (uint8_t)fleet_below(256);
}

static void probe_begin(struct probe *probe, uint32_t count, int64_t ahead_ns) {
        struct fleet_parts parts = {
                .calls = &memory_calls,
                .coordinator = &probe->link,
                .environment = { probe_boot_ns, probe_unix_ms, probe_random, probe },
                .space = { fleet_world.rules.layout, 0 },
                .count = count,
                .recycle_delay_ns = fleet_world.rules.recycle_ns,
                .ttl_ns = fleet_world.rules.ttl_ns,
                .who = { .host = "probe", .machine_id = "11111111111111111111111111111111",
                         .boot_id = "22222222222222222222222222222222", .directory = "1:1" },
                .counters = &probe->counters,
        };

        *probe = (struct probe){ .link = { .memory = &fleet_world.memory },
                                 .ahead_ns = ahead_ns };
        cr_assert_eq(fleet_new(&probe->fleet, &parts), 0);
}

static int probe_claim(struct probe *probe) {
        struct lease_grant grant;

        fleet_memory_time();
        return fleet_claim(probe->fleet, &grant);
}

/* ---- no later */

static uint64_t fence_of(const struct sim_host *host) {
        static struct record_host record;
        char key[FLEET_KEY_MAX];
        const char *text = memory_get(&fleet_world.memory,
                                      fleet_key(key, 0, "host", host->memory.nonce));

        cr_assert_not_null(text);
        cr_assert_eq(record_host_parse(text, &fleet_world.rules.layout, host->memory.nonce, &record), 0);
        return record.fence_tick;
}

/* The first moment at which session, fence and delay have passed. */
static int64_t free_at_ns(const struct sim_host *dead, const struct probe *probe) {
        struct sim_host right = { .wall_ahead_ns = probe->ahead_ns };
        int64_t session_ns = memory_session_until(&fleet_world.memory, dead->session);
        int64_t wall_ns = (int64_t)(fence_of(dead) + 1) * MS + fleet_world.rules.recycle_ns;
        int64_t rested_ns = fleet_world.now_ns + wall_ns - host_wall_ns(&right);

        return session_ns > rested_ns ? session_ns : rested_ns;
}

/* All worker IDs are taken; one host dies for good. */
static void one_dies(uint64_t seed, int64_t horizon_ns, int64_t recycle_ns) {
        struct fleet_rules rules = {
                .layout = { .tick_bits = 41, .worker_bits = 2, .sequence_bits = 20 },
                .hosts = 4, .counts = 1, .ttl_ns = 30 * SECOND, .recycle_ns = recycle_ns,
                .horizon_ns = horizon_ns, .calm = true, .begin_within_ns = 10 * SECOND };
        struct sim_host *dead;
        struct probe probe;
        int64_t at_ns;

        fleet_begin(seed, &rules);
        fleet_world_run(20 * SECOND + (int64_t)fleet_below(60000) * MS, UINT64_MAX);
        cr_assert_eq(n_serving(), 4);
        dead = &fleet_world.hosts[fleet_below(4)];
        host_crash(dead);
        dead->life++; /* nobody starts it again */
        probe_begin(&probe, 1, (int64_t)fleet_below(10000) * MS - 5 * SECOND);
        at_ns = free_at_ns(dead, &probe);
        fleet_world_run(at_ns - 1, UINT64_MAX);
        cr_assert_eq(probe_claim(&probe), -EBUSY, "seed %" PRIu64, seed);
        fleet_world_run(at_ns, UINT64_MAX);
        cr_assert_eq(probe_claim(&probe), 0, "seed %" PRIu64, seed);
        fleet_free(probe.fleet);
        fleet_end();
}

/* Red when a worker ID rests for a tick more or less, or its session does not end it. */
Test(fleet_sizes, a_dead_hosts_worker_ids_are_free_when_all_has_passed_and_no_later) {
        for (uint64_t seed = 0; seed < 200; seed++) {
                one_dies(seed, 10 * MINUTE, 10 * MINUTE);
                one_dies(seed, 15 * SECOND, 0); /* the session ends last, mostly */
        }
}

/* ---- enough */

/*
 * hosts x count x (1 + churn x (recycle_delay + horizon)) with the churn of one host
 * every `every_ns`: no attempt finds none. With much more they do, and it passes.
 */
static uint64_t churn(uint32_t hosts, uint8_t worker_bits, uint32_t counts, int64_t every_ns,
                      int64_t for_ns) {
        struct fleet_rules rules = {
                .layout = { .tick_bits = 41, .worker_bits = worker_bits,
                            .sequence_bits = (uint8_t)(22 - worker_bits) },
                .hosts = hosts, .counts = counts, .ttl_ns = 12 * SECOND, .recycle_ns = MINUTE,
                .horizon_ns = 2 * MINUTE, .calm = true, .replace_every_ns = every_ns,
                .begin_within_ns = 20 * SECOND };
        uint64_t exhausted;

        fleet_begin(hosts, &rules);
        fleet_world.churn_until_ns = for_ns;
        fleet_world_run(for_ns, UINT64_MAX);
        exhausted = fleet_world.sum.exhausted;
        fprintf(stderr, "%" PRIu32 " hosts, one replaced every %.1f s: %" PRIu64 " replaced, %"
                PRIu64 " claims, %" PRIu64 " conflicts, %" PRIu64 " found none free\n", hosts,
                (double)every_ns / 1e9, fleet_world.sum.replaced, fleet_world.sum.claims,
                fleet_world.sum.conflicts, exhausted);
        fleet_world_run(for_ns + rules.ttl_ns + rules.recycle_ns + rules.horizon_ns + 20 * SECOND,
                  UINT64_MAX);
        cr_assert_eq(n_serving(), hosts);
        cr_assert_eq(fleet_world.sum.lost, 0);
        fleet_end();
        return exhausted;
}

Test(fleet_sizes, worker_ids_are_enough_as_computed) {
        /* 64 = 54 + 180 s / 20 s, and the one which is being replaced */
        cr_assert_eq(churn(54, 6, 1, 20 * SECOND, 15 * MINUTE), 0);
        cr_assert_gt(churn(54, 6, 1, 10 * SECOND, 15 * MINUTE), 0);
        if (is_long())
                cr_assert_eq(churn(1000, 10, 1, 8 * SECOND, 30 * MINUTE), 0);
}

/* ---- the load */

struct load {
        const char *what;
        uint32_t hosts, count;
        uint8_t worker_bits, region_bits;
};

static void all_serve(void) {
        for (int i = 0; i < 600 && n_serving() < fleet_world.rules.hosts; i++)
                fleet_world_run(fleet_world.now_ns + SECOND, UINT64_MAX);
        cr_assert_eq(n_serving(), fleet_world.rules.hosts);
}

static void tell_start(const struct load *load) {
        const struct memory_coordinator *m = &fleet_world.memory;

        fprintf(stderr, "%s: all have workers after %.0f s, with %.2f attempts each (%" PRIu64
                " conflicts), %.1f MB listed; %" PRIu64 " bytes of keys and values\n", load->what,
                (double)fleet_world.now_ns / 1e9,
                1 + (double)fleet_world.sum.claims_failed / load->hosts, fleet_world.sum.conflicts,
                (double)m->bytes_listed / 1e6, m->bytes);
}

/* Of a full minute of renewals. */
static void tell_load(const struct load *load) {
        const struct memory_coordinator before = fleet_world.memory, *m = &fleet_world.memory;
        double spans = 20 * 3, seconds = 20.0 * (double)fleet_world.rules.ttl_ns / 1e9, writes;

        fleet_world_run(fleet_world.now_ns + 20 * fleet_world.rules.ttl_ns, UINT64_MAX);
        writes = m->n_writes - before.n_writes;
        fprintf(stderr, "%s: a host does %.3f writes, %.3f keep-alives and %.3f reads per TTL/3; "
                "all %.1f writes/s, %.1f keep-alives/s; %" PRIu64 " refused\n", load->what,
                writes / load->hosts / spans,
                (double)(m->n_keeps - before.n_keeps) / load->hosts / spans,
                (double)(m->n_lists - before.n_lists) / load->hosts / spans, writes / seconds,
                (double)(m->n_keeps - before.n_keeps) / seconds, m->n_refused - before.n_refused);
        cr_assert_leq(writes / load->hosts / spans, 1.0);
        cr_assert_eq(m->n_lists, before.n_lists, "a renewal reads nothing");
}

static void tell_claim(const struct load *load) {
        uint64_t listed = fleet_world.memory.bytes_listed;
        double begun_ms = cpu_ms();
        struct probe probe;

        probe_begin(&probe, load->count, 0);
        cr_assert_eq(probe_claim(&probe), 0);
        fprintf(stderr, "%s: one more claim reads %" PRIu64 " bytes and takes %.1f ms of CPU time\n",
                load->what, fleet_world.memory.bytes_listed - listed, cpu_ms() - begun_ms);
        fleet_free(probe.fleet);
}

static void measure(const struct load *load, int64_t begin_within_ns) {
        struct fleet_rules rules = {
                .layout = { .tick_bits = 41, .worker_bits = load->worker_bits,
                            .sequence_bits = (uint8_t)(22 - load->worker_bits),
                            .region_bits = load->region_bits },
                .hosts = load->hosts, .counts = 1, .ttl_ns = 30 * SECOND,
                .recycle_ns = 10 * MINUTE, .horizon_ns = 10 * MINUTE, .calm = true,
                .begin_within_ns = begin_within_ns };

        fleet_begin(load->hosts, &rules);
        for (uint32_t i = 0; i < load->hosts; i++)
                fleet_world.hosts[i].configured = load->count;
        all_serve();
        tell_start(load);
        tell_load(load);
        tell_claim(load);
        fleet_end();
}

Test(fleet_sizes, a_host_writes_once_in_a_third_of_the_ttl_at_most) {
        measure(&(struct load){ "100 hosts", 100, 1, 10, 0 }, MINUTE);
        measure(&(struct load){ "100 hosts with runs of 8", 100, 8, 10, 0 }, MINUTE);
        if (!is_long())
                return;
        measure(&(struct load){ "1,000 hosts", 1000, 1, 10, 0 }, MINUTE);
        measure(&(struct load){ "1,000 hosts, begun within a second", 1000, 1, 10, 0 }, SECOND);
        measure(&(struct load){ "10,000 hosts in 16 regions", 10000, 1, 14, 4 }, MINUTE);
}

/* ---- hosts for which there are no worker IDs */

#define TOO_MANY 100u

/* Red when each attempt of a host that waits reads first what it can do without the region:
 * 9 requests a second. They count from the first minute on, when the pauses are long. */
Test(fleet_sizes, a_hundred_hosts_too_many_ask_five_times_a_second_at_most) {
        const struct fleet_rules rules = {
                .layout = { .tick_bits = 41, .worker_bits = 4, .sequence_bits = 18 },
                .hosts = 16 + TOO_MANY, .counts = 1, .ttl_ns = 30 * SECOND,
                .recycle_ns = 10 * MINUTE, .horizon_ns = 10 * MINUTE, .calm = true,
                .waits = true, .begin_within_ns = MINUTE };
        struct fleet_sum before;
        double claims;

        fleet_begin(1, &rules);
        fleet_world_run(2 * MINUTE, UINT64_MAX);
        before = fleet_world.sum;
        fleet_world_run(2 * MINUTE + HOUR, UINT64_MAX);
        cr_assert_eq(n_serving(), 16);
        claims = (double)(fleet_world.sum.requests_of_claims - before.requests_of_claims);
        fprintf(stderr, "%u hosts too many, an hour: %.2f requests a second of theirs, %.2f of "
                "the 16 that serve\n", TOO_MANY, claims / 3600,
                ((double)(fleet_world.sum.requests - before.requests) - claims) / 3600);
        cr_assert_leq(claims, 5.0 * 3600);
        fleet_end();
}
