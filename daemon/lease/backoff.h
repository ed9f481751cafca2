/* SPDX-License-Identifier: MIT */
/* How long to wait before a retry. */
#pragma once

#include <stdint.h>

/* Twice the last delay, limited to first..last; first where last_delay_ns is 0. */
int64_t backoff_next(int64_t last_delay_ns, int64_t first_ns, int64_t last_ns);

/*
 * Between half the delay (0 or more) and all of it, so that hosts which lost the same disk
 * or coordinator together do not return together. random: a uniformly distributed number.
 */
int64_t backoff_jittered(int64_t delay_ns, uint64_t random);

/* Such a number, from the kernel. */
uint64_t backoff_random(void);
