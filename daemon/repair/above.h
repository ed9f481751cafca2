/* SPDX-License-Identifier: MIT */
#pragma once
/* Up to where IDs may exist, as the operator states it: from an ID or a time to a tick. */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config/config.h"
#include "daemon/util/log_events.h"
#include "shm/id.h"

/* The tick of "251497178726420522", an ID of that layout, or of
 * "2026-11-23T18:00:00.5Z", rounded up. -EINVAL: neither; -ERANGE: before the
 * epoch, or so late that nothing would be left above it. Pure. */
int above_parse(const struct id_layout *layout, const char *text, uint64_t *ret_tick);

/* The same for a command: logs why not. Without `force` also -ERANGE when it lies more
 * than a day ahead of the wall clock. */
int above_tick(const struct id_layout *layout, const char *text, bool force, uint64_t *ret_tick);

/* Now plus workers.horizon: a host whose clock is right has issued no ID above it. */
uint64_t above_least_tick(const struct config *config);
/* Is `tick` not below that? Else -EINVAL, logged: IDs of `who` could be issued twice. */
int above_check(const struct id_layout *layout, uint64_t tick, uint64_t least_tick,
                struct log_event event, const char *who);
