/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * sfshmd --fence-above: a person says up to where IDs may exist, and the next
 * daemon begins above it. When the fence file is lost, damaged or another
 * machine's, and to begin above IDs which came from elsewhere. With a coordinator
 * workers_fence_above() comes first, and is all when it had something to do.
 */
#include <stdbool.h>

#include "daemon/config/config.h"

/* Says on stdout what it found and did. `force`: although that lies more than a
 * day ahead of the wall clock. 0, or -errno after logging why not; then nothing
 * was changed but that the next daemon may wait for the fence that was there. */
int fence_above(const struct config *config, const char *text, bool force);
