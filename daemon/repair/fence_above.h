/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * sfshmd --fence-above: the operator says up to where IDs may exist, and the next daemon
 * begins above it. For a fence file that is lost, damaged or of another machine, and to
 * begin above IDs that came from elsewhere. With a coordinator, workers_fence_above() comes
 * first; if it repaired something, nothing else is done.
 */
#include <stdbool.h>

#include "daemon/config/config.h"

/* Prints on stdout what it found and did. `force`: even if that is more than a day ahead
 * of the wall clock. 0, or -errno after logging why not; then nothing was changed, except
 * that the next daemon may wait for the fence that was there. */
int fence_above(const struct config *config, const char *text, bool force);
