/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A fence in a segment, with its inverse beside it. The inverse is stored second, and each
 * store comes before anything is promised by the new fence, and after everything that was
 * promised by a higher one has run out: so of two numbers that differ because the daemon
 * was killed in between, the lower one is right. Of two that differ because a bit was
 * flipped, the lower one is never too high.
 */
#include <stdint.h>

#include "shm/clock.h"
#include "shm/ledger.h"

struct fence_word {
        _Atomic uint64_t *tick, *inverse;
};

static inline struct fence_word fence_word_ledger(struct ledger_segment *ledger) {
        return (struct fence_word){ &ledger->fence, &ledger->fence_inverse };
}
static inline struct fence_word fence_word_clock(struct clock_segment *clock) {
        return (struct fence_word){ &clock->fence, &clock->fence_inverse };
}

/* `tick`, unless the inverse is kept and says less. */
static inline uint64_t fence_word_read(uint64_t tick, uint64_t inverse) {
        return inverse != 0 && ~inverse < tick ? ~inverse : tick;
}

void fence_word_set(struct fence_word word, uint64_t tick);
/* Not down. */
void fence_word_raise(struct fence_word word, uint64_t tick);
