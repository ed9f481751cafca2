/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Runs a writer in a child, one machine instruction at a time, and lets the test look at
 * the shared memory in between. To a reader, a writer that stands still is one that was
 * killed there: the test sees every point at which a kill could hit the code under test.
 */
#include <stddef.h>

void *single_step_memory(size_t size);
/* Returns the number of instructions. */
unsigned long single_step(void (*writer)(void *), void (*look)(void *), void *argument);
