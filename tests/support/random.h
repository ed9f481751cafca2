/* SPDX-License-Identifier: MIT */
#pragma once
/* Numbers that look random and are the same in every run (xorshift64*). */
#include <stdint.h>

static inline uint64_t random_next(uint64_t *state) {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* 0 ... limit - 1 */
static inline uint64_t random_below(uint64_t *state, uint64_t limit) {
        return (random_next(state) >> 11) % limit;
}
