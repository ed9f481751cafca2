/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Counting, off the hot path. Whoever advances a cursor counts the tick that
 * is finished; the offset at which the new tick begins is counted off in
 * advance. So `ids` plus the used part of the cursor's tick is always exact,
 * but for a call in between the two (it adds in a moment, or was killed).
 */
#include <stdint.h>

#include "libclient/attachment.h"

/* The finished tick: what it used. */
void count_finished(const struct attachment *a, uint32_t lane, uint64_t cursor);

/* The new tick begins at `offset`; `full_ticks` before it were taken whole. */
void count_begun(const struct attachment *a, uint32_t lane, const struct rectangle *r,
                 uint32_t offset, uint64_t full_ticks);

/* One call that found its tick full, and waited that long. */
void count_overflow(const struct attachment *a, uint32_t lane, int64_t waited_ns);
