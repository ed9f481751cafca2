/* SPDX-License-Identifier: MIT */
#pragma once
/* What pages promise: how much a client could take, whether it does or not. */
#include <stdint.h>

#include "shm/clock.h"
#include "shm/pages.h"

/* The tick of the guarded clock. */
uint64_t tick_now(const struct clock_segment *clock);
/* The most positions that lane 0 can use in that tick. */
uint32_t width_at(const struct grants_page *page, uint64_t tick);
