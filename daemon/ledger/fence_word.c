/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/fence_word.h"

#include <stdatomic.h>

void fence_word_set(struct fence_word word, uint64_t tick) {
        /* relaxed: read by the next daemon, after this one is gone; the compiler keeps the
         * order */
        atomic_store_explicit(word.tick, tick, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        atomic_store_explicit(word.inverse, ~tick, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
}

void fence_word_raise(struct fence_word word, uint64_t tick) {
        if (tick > atomic_load_explicit(word.tick, memory_order_relaxed))
                fence_word_set(word, tick);
}
