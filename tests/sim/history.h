/* SPDX-License-Identifier: MIT */
#pragma once
/* One random life of a host. */
#include <stdint.h>

/* What the histories contained, so that nobody takes empty ones for a proof. */
struct history_sum {
        uint64_t histories, events, rounds, starts, kills_within, reboots, steps, ids, waits;
};

void history_run(uint64_t seed, struct history_sum *sum);
