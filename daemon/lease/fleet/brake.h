/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A running host finds that the coordinator shows less than this host was told: it was put
 * back to an old copy, or a key of it was lost. What was given away since the copy is given
 * away there once more. Who notices brakes for all: one commit writes its record back, and
 * into the contract from where on claims begin.
 *
 * Why that suffices. Every host looks again when its record or the contract is not what it
 * wrote or read last, so at its next renewal at the latest.
 * - What was promised before the copy was put back ends at a fence, and no fence of any host
 *   is further ahead than `horizon_ms` of the contract, which is written before the fence.
 *   `not_before_tick` is above all of them. So whoever claims after the brake begins above
 *   what any host can have promised, whether that one has noticed yet or not.
 * - A host of which the record is missing, or has lost workers, reads all others. If nobody
 *   has its worker IDs they are still its own: every claim writes `used`, which is a condition
 *   of the brake's commit. If somebody has, he claimed them from the copy: this host loses
 *   them, and withdraws what it promised.
 * - That one may not come to renew for a long time. So whoever claimed since the copy was put
 *   back gives way, too: after the last renewal that succeeded before (`claims_since`), by its
 *   own clock, with a margin. This is the only decision here that believes clocks; without it
 *   the first rule holds still.
 *
 * Generations (`recovered_unix_ms`) only grow, so that an older copy which is put back later
 * is noticed as well.
 */
#include <stdbool.h>

#include "daemon/lease/fleet/session.h"
#include "daemon/lease/keys/view.h"

/* Before a fence is written that is further ahead of now than the contract says: the contract
 * says so. 0, or the error of the coordinator; -EAGAIN: another host wrote the contract. */
int fleet_brake_tell_horizon(struct fleet *f);
/* Does what the view has, the contract and our record, come from before our last commit? */
bool fleet_brake_is_due(const struct fleet *f, const struct fleet_view *view);
/* Brakes; 0: our record is there again. -ESTALE: another host has our worker IDs, logged. Else
 * as a commit. */
int fleet_brake(struct fleet *f, const struct fleet_view *view);
/* May what was claimed then come from the old copy that was recovered from last? Not if the
 * record there is missing, or older than its host wrote it. */
bool fleet_brake_doubts(const struct record_contract *contract, int64_t claimed_unix_ms);
/* Asked before all else: has somebody braked since we claimed, so that our claim may come from
 * an old copy, or that others had our worker IDs? 0, or -ESTALE, logged. */
int fleet_brake_gives_way(struct fleet *f, const struct fleet_view *view);
