/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The run grows and shrinks at its end. The same argument as for a claim: what it grows by
 * is taken out of its old owners' records in the commit that puts it into ours; what it
 * gives back goes, with its fence, into a record which nobody renews. Both commits are
 * conditional on the revision of our record that we know, so they exclude each other, a
 * renewal, and whatever else of ours is still on its way.
 */
#include "daemon/lease/fleet/session.h"

/*
 * The run grows at its end, up to `count`, by as many worker IDs as are free there: 0 if
 * it is longer then (or that long already); -EBUSY: none is free; -EAGAIN: after the next
 * renewal; -ESTALE and the rest as above. It may also have grown, or shrunk, by a commit
 * whose answer came late: see fleet_run() after each call. What others had is theirs up to
 * a tick which fleet_run() tells; the fence never comes down below that.
 *
 * It only grows, and fleet_shrink() only shrinks. An earlier shrink whose answer was lost
 * may have failed by now, so that the run is longer than `count`: there may be promises
 * beyond it which this host does not know of.
 */
int fleet_grow(struct fleet *fleet, uint32_t count);
/* The run keeps its first `count`; the others are given back, in a record of their own.
 * IDs of those exist up to `last_tick` at most, and none will be above. */
int fleet_shrink(struct fleet *fleet, uint32_t count, uint64_t last_tick);
/* How many worker IDs the run has for certain; above `ret_above_tick` all of them are ours. */
uint32_t fleet_run(const struct fleet *fleet, uint64_t *ret_above_tick);
