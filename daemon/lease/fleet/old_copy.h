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
/* Of what else the view has: our record was looked for, `used` may have been read. -EAGAIN: the
 * contract has changed since; else as above, or the error of the coordinator. */
int fleet_check_old_copy(const struct fleet *f, const struct fleet_view *view);
/* Is that an older record than our last one? Each daemon of a state directory says a later
 * `since`, and counts its writes in `renewals`. The fence does not tell: a release, which the copy
 * may lack, lowers it. */
bool fleet_is_behind(const struct record_brief *record, int64_t since_unix_ms, uint64_t renewals);
/* Of the contract, when a running host looks again: 0, or -ENOENT, logged once. It serves up to
 * its fence then, and writes nothing: another coordinator may answer. */
int fleet_check_running(struct fleet *f, const struct fleet_view *view);
/* What a renewal holds against the coordinator from now on. */
void fleet_know_contract(struct fleet *f, const struct fleet_view *view);
/* When the last confirmed commit was sent. */
int64_t fleet_confirmed_unix_ms(const struct fleet *f);
/* What the next daemon of this host must know, as of the last confirmed commit. */
void fleet_remember(const struct fleet *f, struct fleet_memory *ret);
