/* SPDX-License-Identifier: MIT */
#pragma once
/* Functions that wait in the middle, on stacks of their own, in one thread. */
struct fiber;

/* Runs it until it waits (the fiber) or has ended (NULL). */
struct fiber *fiber_start(void (*run)(void *context), void *context);
struct fiber *fiber_resume(struct fiber *fiber);
/* Within one. */
void fiber_wait(void);
/* All have ended: their stacks. */
void fiber_end(void);
