/* SPDX-License-Identifier: MIT */
#pragma once
/* The commit by which a run becomes this host's: a new one, or its own in a new session. */
#include "daemon/lease/fleet/session.h"
#include "daemon/lease/keys/view.h"

/* `own`: the record to continue with; NULL: the workers are new to us. -EAGAIN: another host was
 * faster; else the error of the coordinator. */
int fleet_take(struct fleet *f, const struct fleet_view *view, const struct fleet_owner *own,
               const struct worker_set *taken, uint64_t fence_tick);
