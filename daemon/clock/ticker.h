/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The ticker: a thread that stores the current tick into `now` of the clock segment at the
 * beginning of each tick, by absolute sleeps. Its thread ID is the segment's owner word,
 * which is on its robust-futex list. While idle it stores INVALID and waits on a futex,
 * without wake-ups. While it ticks it also looks for steps of the wall clock, so that they
 * are noticed within a tick where the kernel does not report them
 * (wall_clock_step_fd()).
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/clock/wall_clock.h"
#include "shm/clock.h"
#include "shm/metrics.h"

struct ticker;

/* It looks for steps by `calls`, which its thread calls. */
int ticker_new(struct ticker **ret, struct clock_segment *segment,
               const struct wall_clock_calls *calls);
struct ticker *ticker_free(struct ticker *ticker); /* stores INVALID, joins the thread */

/* From the ledger thread; cheap when nothing changes. */
void ticker_set_running(struct ticker *ticker, bool running);
/* ticker_set_running() calls `on_run` whenever ticking begins; NULL: nothing. Ledger
 * thread. */
void ticker_on_run(struct ticker *ticker, void (*on_run)(void *context), void *context);

/* Readable when the wall clock stepped since the last ticker_stepped(). A step while the
 * ticker was idle is noticed at the first tick. The descriptor stays the ticker's. */
int ticker_step_fd(const struct ticker *ticker);
/* Did it? True once for each time. */
bool ticker_stepped(const struct ticker *ticker);

uint64_t ticker_count(const struct ticker *ticker);      /* ticks published */
/* How late after their beginning ticks were published. Any thread. */
const struct histogram *ticker_lateness(const struct ticker *ticker);
uint64_t ticker_late_count(const struct ticker *ticker); /* ticks skipped by waking late */
const struct clock_segment *ticker_clock(const struct ticker *ticker);
bool ticker_running(const struct ticker *ticker);

/* For the watchdog, see watchdog.h; `ticker` is a struct ticker. Ledger thread. */
void ticker_ask(void *ticker, uint32_t question);
bool ticker_answered(void *ticker, uint32_t question);
