/* SPDX-License-Identifier: MIT */
#pragma once
/* The lease is renewed and released; what a commit has done whose answer was lost. */
#include "daemon/lease/fleet/session.h"
#include "daemon/lease/keys/view.h"

/* Shows that the host is alive and makes the fence durable, in one commit; the fence
 * never goes below an earlier one. -ESTALE: another host has the worker IDs for good; else
 * as fleet_claim(). */
int fleet_renew(struct fleet *fleet, uint64_t fence_tick);
/* Another host, or a copy of this daemon, has the worker IDs: the record is not ours. */
bool fleet_lost(const struct fleet *fleet);
/* When the next renewal is due, on CLOCK_BOOTTIME. */
int64_t fleet_renew_due(const struct fleet *fleet);

/* Lowers the fence to that tick and gives the worker IDs back, to rest. */
int fleet_release(struct fleet *fleet, uint64_t fence_tick);

/* Reads our record again and adopts its contents. A commit of ours that is still in
 * flight checks for the revision before, so it fails once the next commit is done. */
int fleet_renew_reread(struct fleet *f);
/* The contract, and our record as far as it can be read: what a running host looks at. */
int fleet_renew_look(struct fleet *f, struct fleet_view **ret);
