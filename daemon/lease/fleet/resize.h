/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The run grows and shrinks at its end. It is safe for the same reason as a claim: the
 * commit that puts worker IDs into our record takes them out of the records of their old
 * owners; released ones move, with their fence, to a record that no host renews. Both
 * commits are conditional on the revision of our record that we know. So they exclude each
 * other, a renewal, and every other commit of ours that is still in flight.
 */
#include "daemon/lease/fleet/session.h"

/*
 * Grows the run at its end, up to `count`, by as many worker IDs as are free there. 0: the
 * run is longer now, or was that long already; -EBUSY: none is free; -EAGAIN: try after the
 * next renewal; -ESTALE and the rest as fleet_renew(). The run may also have grown or
 * shrunk by an earlier commit whose answer came late: look at fleet_run() after each call.
 * Other hosts had the new worker IDs up to a tick which fleet_run() returns; the fence
 * is never lowered below it.
 *
 * It only grows, and fleet_shrink() only shrinks. An earlier shrink whose answer was lost
 * may have failed by now, so that the run is longer than `count`: there may be promises
 * beyond it which this host does not know of.
 */
int fleet_grow(struct fleet *fleet, uint32_t count);
/* Keeps the first `count` worker IDs of the run and gives the others back, in a record of
 * their own. IDs of those exist up to `last_tick` at most, and none will be issued above. */
int fleet_shrink(struct fleet *fleet, uint32_t count, uint64_t last_tick);
/* Puts these worker IDs, which our record has in no other write of this commit, into such a
 * record. */
void fleet_give_back(struct fleet *fleet, struct fleet_commit *d, const struct worker_set *given,
                     uint64_t last_tick);
