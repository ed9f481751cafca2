/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * ZooKeeper as a coordinator, coordinator.h over znodes below a prefix, and the backend
 * `zookeeper`.
 *
 * A key is the znode of its path, and the folders above it are znodes with the value
 * "folder". A key that ends with the session is an ephemeral znode. A commit is one
 * multi, which ZooKeeper carries out completely or not at all.
 *
 * Checks. ZooKeeper compares a znode's `version`, which counts its writes but starts
 * again when a znode is deleted and created again. `modified` holds the version, which a
 * check compares, beside a hash of the mzxid, so that it differs for a znode that was
 * created again. Why a check cannot take such a znode for the old one:
 *
 * - Daemons do not create a key again that they have deleted while anybody has an old
 *   version of it: `contract` and `used` are never deleted; a life is never begun twice;
 *   and the record of a nonce is created again only by a claim whose first answer was lost
 *   and whose worker IDs went to another host in between. A host that knows the first of
 *   those two records would use it in a claim, and all claims of a region check `used`,
 *   which has been written since.
 * - A daemon writes every key twice when it creates it, so that the version is at least 1;
 *   it is 0 for a key that the operator has created. So a key of the operator is never
 *   taken for a daemon's, unless it was written by hand as often as the other.
 *
 * Lists. ZooKeeper lists and reads one znode at a time, from a server that may lag behind.
 * So a list begins with a sync: all later reads of the session see what was done before
 * it. What the list reads is not a snapshot of one moment:
 *
 * - Each value is as of a moment after the call began, and so is each absence.
 * - The keys directly in the folder that is listed, and which keys exist, except those of
 *   sessions, were the same from before the first to after the last read of the folders
 *   below; else everything is read again. In the list of a region these are `used`, and
 *   which records exist. A commit that moves worker IDs from record to record writes
 *   `used`, or creates or deletes a record. So as far as worker IDs go, the records of a
 *   list are those of one moment: none is in two records or lost between two, and none is
 *   missing in `used`.
 * - Fences, states and lives in the records of one list may be of different moments.
 *   Nothing is concluded from two of them together: the commit of a claim checks each
 *   record that it takes worker IDs from, and so its fence and state, as fleet.h requires.
 * - The records are read before the keys alive/LIFE. So a host that returns in between has
 *   an older record in the list than in fact, at which the claim fails, and not a newer
 *   record without a life.
 *
 * If the sync or the reads are stale, as from a leader that has lost its quorum and does
 * not know it yet, the commit fails in the same way: it checks everything that a claim
 * relies on.
 */
#include "daemon/lease/fleet/backend.h"

/* Of a struct zookeeper_coordinator, see handle.h. */
extern const struct coordinator_calls zookeeper_calls;
extern const struct fleet_kind fleet_kind_zookeeper; /* refuses where it was not built */
