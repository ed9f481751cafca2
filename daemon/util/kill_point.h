/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Kill points. fault_step() stands between every two stores of a grant, an
 * extension and a fence raise. It does nothing, unless built with
 * -DSFSHM_FAULTS (the tests' second build of the same code), where the N-th
 * call, N from $SFSHM_FAULT_AT, kills the process with SIGKILL.
 */
#ifdef SFSHM_FAULTS
void fault_step(void);
#else
static inline void fault_step(void) {
}
#endif
