/* SPDX-License-Identifier: MIT */
#pragma once
/* A wall clock of the daemon's own, by libfaketime; CLOCK_BOOTTIME stays. */
#include <stdint.h>

#include "tests/support/private_daemon.h"

/* Skips the test, and says why, where there is no libfaketime or it cannot be used. */
void wall_clock_find(void);
/* After private_daemon_prepare(): the clock is right at first. */
void wall_clock_prepare(const struct private_daemon *d);
/* What is executed next by this process goes by that clock. */
void wall_clock_enter(void);
/* private_daemon_start() by that clock. */
void wall_clock_start(struct private_daemon *d);
/* What it is off by, in seconds: "-30", "+3600". Returns when (CLOCK_MONOTONIC). */
int64_t wall_clock_set(const char *offset);
/* The right time, as a tick of the default layout. */
int64_t wall_clock_right_tick(void);
