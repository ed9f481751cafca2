/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Kill points. kill_point() is called between every two stores of a grant, of an extension
 * and of a raise of the fence. It does nothing unless built with -DSFSHM_FAULTS, the second
 * build of the same code for tests. There the N-th call, N from $SFSHM_FAULT_AT, kills the
 * process with SIGKILL.
 */
#ifdef SFSHM_FAULTS
void kill_point(void);
#else
static inline void kill_point(void) {
}
#endif
