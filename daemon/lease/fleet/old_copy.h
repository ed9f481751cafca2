/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What this host remembers of the coordinator, held against what a claim finds there. A
 * coordinator that was emptied, or put back to an old copy, does not know of worker IDs which
 * it gave away later: nothing of it is believed then.
 *
 * Nothing else makes these values lower. A claim adds one to `claims`. Only this host's own
 * daemons write its record, and none of them lowers its fence but a release, which is
 * remembered before it is sent. All else is remembered after the coordinator has confirmed
 * it: what is remembered may be too old, and is never ahead. A recovery by the operator raises
 * `recovered`, and with it the fence of every later claim: then the lower values are right.
 */
#include "daemon/lease/fleet/session.h"
#include "daemon/lease/keys/view.h"

/* Of the contract alone. All are 0, or -ENOENT or -EBADMSG, logged. */
int fleet_check_contract(const struct fleet *f, const struct fleet_view *view);
/* Of what else the view has: our record was looked for, `used` may have been read. */
int fleet_check_old_copy(const struct fleet *f, const struct fleet_view *view);
/* What the next daemon of this host must know, as of the last confirmed commit. */
void fleet_remember(const struct fleet *f, struct fleet_memory *ret);
