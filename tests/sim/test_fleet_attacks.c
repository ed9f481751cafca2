/* SPDX-License-Identifier: MIT */
/*
 * Fleets whose coordinator is put back to old copies, and emptied, at any time: while hosts
 * run, restart, come, grow and shrink. fleet_attack.c says what must hold. Seeds as in
 * test_fleets.c.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fleet_world.h"

#define EVENTS 6000u /* of a history */
#define SHORT 10u
#define LONG 170u

static uint64_t number_of(const char *variable, uint64_t otherwise) {
        const char *text = getenv(variable);

        return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static struct fleet_rules rules_of(uint64_t seed) {
        uint64_t random = seed;
        uint8_t worker_bits = (uint8_t)(3 + random % 3);
        uint8_t region_bits = (uint8_t)(random / 3 % 2);
        uint32_t counts = 1u << (random / 6 % 2);

        return (struct fleet_rules){
                .layout = { .tick_bits = 41, .worker_bits = worker_bits,
                            .sequence_bits = (uint8_t)(22 - worker_bits),
                            .region_bits = region_bits },
                .hosts = 2 + (uint32_t)(random / 12 % ((1u << worker_bits) / counts)),
                .counts = counts,
                .ttl_ns = (int64_t)(6 + random / 5 % 15) * SECOND,
                .recycle_ns = (int64_t)(random / 7 % 3) * 10 * SECOND,
                .horizon_ns = (int64_t)(15 << (random / 11 % 4)) * SECOND,
                .chaos_every_ns = (int64_t)(2 + random / 13 % 8) * SECOND,
                .clocks_within_ns = SECOND,
                .begin_within_ns = 10 * SECOND,
                .attack_every_ns = (int64_t)(20 + random % 100) * SECOND,
        };
}

static void settle(void) {
        attack_stop();
        chaos_settle();
        check_settled();
}

static struct fleet_sum total;

static void add(const struct fleet_sum *sum) {
        const uint64_t *from = (const uint64_t *)sum;
        uint64_t *to = (uint64_t *)&total;

        for (size_t i = 0; i < sizeof(total) / sizeof(*to); i++)
                to[i] += from[i];
}

static void tell(void) {
        const struct fleet_sum *s = &total;

        fprintf(stderr,
                "%" PRIu64 " events, %" PRIu64 " owners of runs, %" PRIu64 " renewals, %" PRIu64
                " copies kept, %" PRIu64 " put back, %" PRIu64 " times emptied; recovered %" PRIu64
                " times by a host, %" PRIu64 " by the operator; %" PRIu64 " starts refused, %"
                PRIu64 " leases lost, of these %" PRIu64 " gave way; ticks with two owners that could "
                "not know: %" PRIu64 ", of hosts that ran all the time: %" PRIu64 "\n", s->events,
                s->tenures,
                s->renewals, s->kept_copies, s->put_back, s->wiped, s->braked, s->recovered,
                s->refused_old, s->lost, s->gave_way, s->excused, s->slept);
}

Test(fleet_attacks, U1_U3_hold_though_the_coordinator_is_put_back) {
        bool one = getenv("SFSHM_SEED") != NULL;
        uint64_t seed = number_of("SFSHM_SEED", number_of("SFSHM_FROM", 0));
        uint64_t n = number_of("SFSHM_HISTORIES", one ? 1 : getenv("SFSHM_LONG") ? LONG : SHORT);

        for (uint64_t i = 0; i < n; i++) {
                struct fleet_rules rules = rules_of(seed + i);

                fleet_begin(seed + i, &rules);
                fleet_world_run(INT64_MAX, EVENTS);
                settle();
                fleet_end();
                add(&fleet_world.sum);
        }
        tell();
}
