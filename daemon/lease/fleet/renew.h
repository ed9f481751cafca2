/* SPDX-License-Identifier: MIT */
#pragma once
/* The lease is renewed and released; what a commit has done whose answer was lost. */
#include "daemon/lease/fleet/record.h"
#include "daemon/lease/fleet/session.h"

/* Shows the host alive and makes the fence durable, in one write; never below an
 * earlier one. -ESTALE: the worker IDs went to another, for ever; else as above. */
int fleet_renew(struct fleet *fleet, uint64_t fence_tick);
/* It did, or a copy of this daemon goes on with them: its record is not ours any more. */
bool fleet_lost(const struct fleet *fleet);
/* The next time for it, on CLOCK_BOOTTIME. */
int64_t fleet_renew_due(const struct fleet *fleet);

/* The fence comes down to that, and the worker IDs may rest. */
int fleet_release(struct fleet *fleet, uint64_t fence_tick);

bool fleet_renew_is_unknown(int error); /* it may have been done */
/* Judges what is there. A commit of ours that is still on its way has the check of
 * the revision before, so that it fails once the next one is done. */
int fleet_renew_reread(struct fleet *f);
/* Remembers what a failure leaves open. `sent_ns`: when the session's TTL began, if it is
 * done. Returns `r`. */
int fleet_renew_settle(struct fleet *f, int r, int64_t sent_ns);
