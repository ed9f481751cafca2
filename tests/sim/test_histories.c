/* SPDX-License-Identifier: MIT */
/*
 * Random histories of clock, restarts and reboots against the daemon's own code.
 * A failure names its history; SFSHM_SEED=N runs that one again and tells its story,
 * SFSHM_FROM and SFSHM_HISTORIES run a part. SFSHM_LONG=1: a million.
 *
 * Red within the short form, each tried: the fence not waited for after a reboot, or
 * when the ledger is lost; first_tick forgotten by the second daemon; the fence lowered
 * below a promise, or while it is waited for; accept past the fence; the clock moved
 * before the fence; a held jump followed; a bend without its lead, an ending slew
 * prolonged, a decision published late; IDs beyond max_offset; the slot written before
 * the journal; a new line at each start.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "history.h"

#define SHORT 60000u
#define LONG 1000000u

static uint64_t number_of(const char *variable, uint64_t otherwise) {
        const char *text = getenv(variable);

        return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

Test(histories, U1_U2_U3_T1_hold) {
        uint64_t seed = number_of("SFSHM_SEED", 0);
        uint64_t n = getenv("SFSHM_SEED") != NULL ? 1 : getenv("SFSHM_LONG") != NULL ? LONG : SHORT;
        struct history_sum sum = { 0 };

        n = number_of("SFSHM_HISTORIES", n);
        seed = number_of("SFSHM_FROM", seed);
        for (uint64_t i = 0; i < n; i++)
                history_run(seed + i, &sum);
        fprintf(stderr, "%" PRIu64 " histories from %" PRIu64 ": %" PRIu64 " events, %" PRIu64
                " rounds, %" PRIu64 " starts, %" PRIu64 " reboots, %" PRIu64 " steps\n",
                sum.histories, seed, sum.events, sum.rounds, sum.starts, sum.reboots, sum.steps);
}
