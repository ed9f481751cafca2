/* SPDX-License-Identifier: MIT */
#pragma once
/* How positions used up are counted by worker. Library and daemon count alike. */
#include <stdint.h>

/* How many of the positions [first, last) belong to `worker`. */
static inline uint64_t usage_of_worker(uint64_t first, uint64_t last, uint64_t worker,
                                       unsigned sequence_bits) {
        uint64_t from = worker << sequence_bits, to = (worker + 1) << sequence_bits;

        if (from < first)
                from = first;
        if (to > last)
                to = last;
        return from < to ? to - from : 0;
}
