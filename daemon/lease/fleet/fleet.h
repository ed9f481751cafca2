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
 *
 * The states of a lease, held -> released | freed -> resting -> gone: what each may do with
 * it, and its state then. Worker IDs without a session rest until their fence and
 * workers.recycle_delay have passed, those that were freed until the fence has.
 *
 *                  | its owner | its owner | its owner | the operator | another host
 *                  | renews    | stops     | starts    | frees it     | claims it
 *   ---------------+-----------+-----------+-----------+--------------+---------------------
 *   held           | held      | released  | held      | with --force | never
 *   held, session  | held      | released  | held      | freed        | gone, when they have
 *   ended          |           |           |           |              | rested
 *   released       |           |           | held      | freed        | likewise
 *   freed          | held      | released  | held      | freed        | likewise
 *   gone           | never     | never     | never     |              |
 *
 * Every transition is one commit, conditional on the record as its writer read it. None
 * lowers a fence but the stop of its owner. `gone`: the record of another host has the
 * worker IDs, and it begins above their fence. The test lease_states tries all of them.
 */
#include "daemon/lease/fleet/session.h"

int fleet_new(struct fleet **ret, const struct fleet_parts *parts);
struct fleet *fleet_free(struct fleet *fleet); /* does not tell the coordinator */

/* One attempt. -EAGAIN: another host was faster, try again; -ETIMEDOUT, -EIO: the
 * coordinator does not answer, try again; any other error: the claim is refused, and the
 * reason was logged. */
int fleet_claim(struct fleet *fleet, struct lease_grant *ret);
const char *fleet_nonce(const struct fleet *fleet); /* of its record */
