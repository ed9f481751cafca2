/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Counters, off the hot path. The call that advances a cursor counts the finished tick, and
 * subtracts the offset at which the new tick begins. So `ids` plus the used part of the
 * cursor's tick is always exact, except while a call is between the two steps: it adds
 * in a moment, or was killed.
 */
#include <stdint.h>

#include "libclient/attachment.h"

/* Counts what the finished tick used. */
void count_finished(const struct attachment *a, uint32_t lane, uint64_t cursor);

/* The new tick begins at `offset`; `full_ticks` ticks before it were taken whole. */
void count_begun(const struct attachment *a, uint32_t lane, const struct rectangle *r,
                 uint32_t offset, uint64_t full_ticks);

/* Counts a call that found its tick full, and its wait. */
void count_overflow(const struct attachment *a, uint32_t lane, int64_t waited_ns);
