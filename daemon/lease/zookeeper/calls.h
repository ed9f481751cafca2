/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * ZooKeeper as a coordinator: coordinator.h over znodes below a prefix.
 *
 * A key is the znode of its path, and the folders above it are znodes with the value
 * "folder". A key that ends with the session is an ephemeral one. A commit is one
 * multi, which ZooKeeper does in whole or not at all.
 *
 * Checks. ZooKeeper compares a znode's `version`, which counts its writes, but begins
 * anew when a znode is deleted and created anew. `modified` holds the version, by which
 * a check is made, beside a hash of the mzxid, which makes it another one for a znode
 * that was created anew. That a check cannot take such a one for the old one:
 *
 * - What daemons delete they do not create again under that name while anybody has an
 *   old version of it: `contract` and `used` are never deleted, a life is never begun
 *   twice, and the record of a nonce is created again only by a claim whose first
 *   answer was lost and whose worker IDs went to another host in between. Whoever
 *   knows the first of those two records would use it in a claim, and all of a region's
 *   claims check `used`, which has been written since.
 * - Every key is written twice when it is created, so that its version is 1 at least,
 *   and 0 for one which a person has created. So a person's one is never taken for a
 *   daemon's, unless it was written by hand as often as the other.
 *
 * Lists. ZooKeeper lists and reads one znode at a time, and from a server that may
 * lag behind. So a list begins with a sync, behind which all reads of the session see
 * what was done before it, and what it reads is not one moment's:
 *
 * - Each value is as of a moment after the call began, and so is each absence.
 * - The keys directly in the folder that is listed, and which keys there are, but for
 *   those of sessions, were the same from before the first to after the last read of
 *   those in the folders below; else all is read again. In the list of a region that is
 *   `used`, and which records there are. A commit that moves worker IDs from record to
 *   record writes the one, or creates or deletes one of the others. So the records of a
 *   list are those of one moment as far as worker IDs go: none is in two of them or lost
 *   between two, and none is missing in `used`.
 * - Fences, states and lives in the records of one list may be of different moments.
 *   Nothing follows from two of them together: a claim checks each record it takes
 *   worker IDs from, and so its fence and state, in the commit, as fleet.h wants it.
 * - The records are read before the signs of life, so that a host which comes back in
 *   between has an older record in the list than in fact, at which the claim fails, and
 *   not a new one without a life.
 *
 * Were sync or the reads stale, as from a leader that lost its quorum and does not know
 * it yet, then the commit fails in the same way: all that a claim builds on it checks.
 */
#include "daemon/lease/fleet/coordinator.h"

/* Of a struct zookeeper_coordinator, see handle.h. */
extern const struct coordinator_calls zookeeper_calls;
