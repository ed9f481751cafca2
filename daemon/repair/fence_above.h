/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * sfshmd --fence-above: a person says up to where IDs may exist, and the next
 * daemon begins above it. When the fence file is lost, damaged or another
 * machine's, and to begin above IDs which came from elsewhere. With a coordinator
 * workers_fence_above() comes first, and is all when it had something to do.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config/config.h"

/* The tick of "251497178726420522", an ID of that layout, or of
 * "2026-11-23T18:00:00.5Z", rounded up. -EINVAL: neither; -ERANGE: before the
 * epoch, or so late that nothing would be left above it. Pure. */
int fence_above_parse(const struct id_layout *layout, const char *text, uint64_t *ret_tick);

/* The same for a person: logs why not. Without `force` also -ERANGE when it lies more
 * than a day ahead of the wall clock. */
int fence_above_tick(const struct id_layout *layout, const char *text, bool force,
                     uint64_t *ret_tick);

/* Says on stdout what it found and did. `force`: although that lies more than a
 * day ahead of the wall clock. 0, or -errno after logging why not; then nothing
 * was changed but that the next daemon may wait for the fence that was there. */
int fence_above(const struct config *config, const char *text, bool force);
