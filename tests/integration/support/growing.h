/* SPDX-License-Identifier: MIT */
#pragma once
/* A daemon whose run may grow from one worker ID to four, and callers who make it grow. */
#include <stdbool.h>
#include <stdint.h>

#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"

enum { GROWING_TAKERS = 2, GROWING_WORKERS = 4 };

/* Four worker IDs of 32 IDs a millisecond: any machine uses them up. */
void growing_prepare(struct private_daemon *d);
/* Before the first takers. */
void growing_begin(void);
/* Processes that take as much as there is, over any number of daemons. */
void growing_start_takers(const struct private_daemon *d, struct arena *arena);
void growing_end_takers(void);
uint64_t growing_worker(uint64_t id);
/* For wait_until(): the arena holds IDs of each worker ID. */
bool growing_all_workers(void *arena);
