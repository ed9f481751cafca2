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

/* Counts a call that found its tick full, and how long it waited for the next one. */
void count_overflow(const struct attachment *a, uint32_t lane, enum overflow_outcome outcome,
                    int64_t waited_ns);

/* Counts all that a call waited for one reason. */
void count_wait(const struct attachment *a, enum wait_reason reason, int64_t waited_ns);

/*
 * Around the moment in which a handle changes from `a` to another attachment: what `a` has
 * counted stays in the handle. What slow calls add to it later is missing there. In between
 * sfshm_get_counters() reads again; in a child that was forked in between it gives up soon
 * and may miss what was counted before. One thread at a time.
 */
struct sfshm;
void count_carry_begin(struct sfshm *s);
void count_carry_end(struct sfshm *s, const struct attachment *a);
