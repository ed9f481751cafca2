/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The lease of one host among many, over any coordinator: claim, renew with the fence,
 * grow and shrink, release. This header makes a fleet and claims; renew.h and resize.h
 * do the rest. Time and randomness come from outside, so that it can be simulated.
 *
 * Why no two hosts issue the same ID, whatever clocks, sessions and messages do:
 *
 * - Every write of a host's record is conditional on the revision that its writer
 *   knows. A claim of worker IDs rewrites or deletes the record of their old owner in
 *   the same commit. So of a renewal and a claim that meet, one fails.
 * - A daemon promises nothing above a fence before that fence is in its record.
 * - The commit of a claim fails unless the records are those that it has seen. Their
 *   fences are therefore final, and the new owner begins above all of them.
 *
 * Uniqueness depends on neither sessions nor deadlines. The session (alive/LIFE) shows
 * which worker IDs should not be taken; the deadline is when to stop raising the fence
 * in one session.
 */
#include "daemon/lease/fleet/session.h"

int fleet_new(struct fleet **ret, const struct fleet_parts *parts);
struct fleet *fleet_free(struct fleet *fleet); /* does not tell the coordinator */

/* One attempt. -EAGAIN: another host was faster, try again; -ETIMEDOUT, -EIO: the
 * coordinator does not answer, try again; any other error: the claim is refused, and the
 * reason was logged. */
int fleet_claim(struct fleet *fleet, struct lease_grant *ret);
/* After a claim: what the next daemon needs to know. */
const char *fleet_nonce(const struct fleet *fleet);
const char *fleet_space_name(const struct fleet *fleet);
