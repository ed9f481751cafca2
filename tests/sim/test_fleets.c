/* SPDX-License-Identifier: MIT */
/*
 * Fleets of simulated hosts on the daemon's own lease code. A failure names its history;
 * SFSHM_SEED=N runs that one again and tells its story, SFSHM_FROM and SFSHM_HISTORIES
 * run a part. SFSHM_LONG=1: a million events of a thousand hosts, and the load of ten
 * thousand.
 *
 * Red within the short form, each tried: a claim that leaves the old owner's record as it
 * is, or does not check it; a renewal or a release without its check; a run that begins
 * at another fence than the highest of it; one's own record gone on with at another fence,
 * from a copied state directory, or after another daemon wrote it; what this boot's memory
 * knows believed although the run was another host's, or because of a record that was
 * never renewed; lost records not refused; a worker ID that rests for a tick too long; what
 * a run gives back below its promises, or used while that may be under way.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fleet_world.h"

#define SHORT 300u
#define LONG 5000u
#define EVENTS_SHORT UINT64_C(60000)
#define EVENTS_LONG UINT64_C(1000000)

static uint64_t number_of(const char *variable, uint64_t otherwise) {
        const char *text = getenv(variable);

        return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static bool is_long(void) {
        return getenv("SFSHM_LONG") != NULL;
}

static double cpu_s(void) {
        struct timespec now;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct fleet_sum total;

static void add(const struct fleet_sum *sum) {
        const uint64_t *from = (const uint64_t *)sum;
        uint64_t *to = (uint64_t *)&total;

        for (size_t i = 0; i < sizeof(total) / sizeof(*to); i++)
                to[i] += from[i];
}

static void tell(const char *what) {
        const struct fleet_sum *s = &total;

        fprintf(stderr,
                "%s: %" PRIu64 " events, %" PRIu64 " owners of runs, %" PRIu64 " renewals, %" PRIu64
                " attempts to claim that failed (%" PRIu64 " another was quicker, %" PRIu64
                " none free, %" PRIu64 " otherwise refused), %" PRIu64 " leases lost, %" PRIu64
                " runs grown, %" PRIu64 " shrunk, %" PRIu64 " stops, %" PRIu64 " crashes, %"
                PRIu64 " resumed, %" PRIu64 " reboots, %" PRIu64 " new machines, %" PRIu64 " copies, %" PRIu64
                " pauses, %" PRIu64 " steps, %" PRIu64 " cut off, %" PRIu64 " sessions revoked, %"
                PRIu64 " keys damaged, %" PRIu64 " messages late, %" PRIu64 " twice\n",
                what, s->events, s->tenures, s->renewals, s->claims_failed, s->conflicts,
                s->exhausted, s->refused - s->exhausted, s->lost, s->grown, s->shrunk, s->stops,
                s->crashes, s->resumed, s->reboots, s->replaced, s->copies,
                s->stalls, s->steps, s->cuts, s->revoked, s->damages, s->late, s->twice);
}

/* ---- safety */

static uint64_t pick(uint64_t *random, uint64_t limit) {
        *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (*random >> 33) % limit;
}

static struct fleet_rules small_rules(uint64_t seed) {
        uint64_t random = seed;
        uint8_t worker_bits = (uint8_t)(2 + pick(&random, 4));
        uint8_t region_bits = (uint8_t)pick(&random, worker_bits > 2 ? 3 : 1);
        uint32_t counts = 1u << pick(&random, worker_bits - region_bits > 2 ? 3 : 1);

        return (struct fleet_rules){
                .layout = { .tick_bits = 41, .worker_bits = worker_bits,
                            .sequence_bits = (uint8_t)(22 - worker_bits),
                            .region_bits = region_bits },
                /* from many free worker IDs to none */
                .hosts = 2 + (uint32_t)pick(&random, (1u << worker_bits) / counts),
                .counts = counts,
                .ttl_ns = (int64_t)(6 + pick(&random, 15)) * SECOND,
                .recycle_ns = (int64_t)pick(&random, 3) * 10 * SECOND,
                .horizon_ns = (int64_t)(15 << pick(&random, 4)) * SECOND,
                .chaos_every_ns = (int64_t)(1 + pick(&random, 5)) * SECOND,
                .clocks_within_ns = pick(&random, 2) ? HOUR : SECOND,
                .begin_within_ns = 10 * SECOND,
        };
}

Test(fleet_histories, U1_U3_hold_in_small_fleets) {
        uint64_t seed = number_of("SFSHM_SEED", 0);
        uint64_t n = getenv("SFSHM_SEED") != NULL ? 1 : is_long() ? LONG : SHORT;

        n = number_of("SFSHM_HISTORIES", n);
        seed = number_of("SFSHM_FROM", seed);
        for (uint64_t i = 0; i < n; i++) {
                struct fleet_rules rules = small_rules(seed + i);

                fleet_begin(seed + i, &rules);
                fleet_world_run(INT64_MAX, 4000);
                if (rules.clocks_within_ns <= SECOND && fleet_chance(4)) {
                        chaos_settle();
                        /* damage must be repaired by hand */
                        if (fleet_world.sum.damages == 0)
                                check_settled();
                }
                fleet_end();
                add(&fleet_world.sum);
        }
        tell("small fleets");
}

static const struct fleet_rules thousand = {
        .layout = { .tick_bits = 41, .worker_bits = 12, .sequence_bits = 10 },
        .hosts = 1000,
        .counts = 4,
        .ttl_ns = 30 * SECOND,
        .recycle_ns = MINUTE,
        .horizon_ns = 10 * MINUTE,
        .chaos_every_ns = 200 * MS,
        .clocks_within_ns = HOUR,
        .begin_within_ns = 2 * MINUTE,
};

Test(fleet_histories, U1_U3_hold_in_a_thousand_hosts) {
        uint64_t seed = number_of("SFSHM_SEED", number_of("SFSHM_FROM", 0));
        double begun_s = cpu_s();

        fleet_begin(seed, &thousand);
        fleet_world_run(INT64_MAX, is_long() ? EVENTS_LONG : EVENTS_SHORT);
        fprintf(stderr, "%.0f s of their time, ", (double)fleet_world.now_ns / 1e9);
        fleet_end();
        add(&fleet_world.sum);
        tell("a thousand hosts");
        fprintf(stderr, "%.1f s of CPU time\n", cpu_s() - begun_s);
}
