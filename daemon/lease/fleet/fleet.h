/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A host's lease among many: claim, renew with the fence, take back, release, over
 * any coordinator. Time and randomness come from outside, so it can be simulated.
 *
 * Why no two hosts hand out one ID, whatever clocks, sessions and messages do:
 *
 * - Every write of a host's record is conditional on the revision which its writer
 *   knows. A claim of worker IDs rewrites or deletes the record of whoever had them,
 *   in the same commit. So of a renewal and a claim that meet, one fails.
 * - A daemon promises nothing above a fence before that fence is in its record.
 * - The claim's commit fails unless the records are those which it has seen; their
 *   fences are therefore final, and the new owner begins above all of them.
 *
 * The session (alive/LIFE) only says whose workers it would be a pity to take, and
 * the deadline only when to stop raising the fence under one session.
 */
#include "daemon/lease/fleet/session.h"

int fleet_new(struct fleet **ret, const struct fleet_parts *parts);
struct fleet *fleet_free(struct fleet *fleet); /* tells the coordinator nothing */

/* One attempt. -EAGAIN: another host was quicker, again; -ETIMEDOUT, -EIO: the
 * coordinator does not answer, again; else it is refused, and was logged. */
int fleet_claim(struct fleet *fleet, struct lease_grant *ret);
/* What is to be kept for the next daemon, after a claim. */
const char *fleet_nonce(const struct fleet *fleet);
const char *fleet_space_name(const struct fleet *fleet);
