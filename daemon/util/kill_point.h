/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Kill points. kill_point() stands between every two stores of a grant, an
 * extension and a fence raise. It does nothing, unless built with
 * -DSFSHM_FAULTS (the tests' second build of the same code), where the N-th
 * call, N from $SFSHM_FAULT_AT, kills the process with SIGKILL.
 */
#ifdef SFSHM_FAULTS
void kill_point(void);
#else
static inline void kill_point(void) {
}
#endif
