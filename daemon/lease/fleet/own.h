/* SPDX-License-Identifier: MIT */
#pragma once
/* Which record of a region is this host's own, and what of its run is left. */
#include "daemon/lease/fleet/session.h"
#include "daemon/lease/keys/view.h"

/* Our own record, which an earlier attempt or the previous daemon has written; NULL: none. */
const struct fleet_owner *fleet_own(const struct fleet *f, const struct fleet_view *view);
/* What a run can continue with: the first worker IDs of that record in a row which are in no
 * other one, and no more than the configuration allows. The run may be shorter than that says:
 * it grows while it serves. */
struct worker_set fleet_own_run(const struct fleet *f, const struct fleet_view *view,
                                const struct fleet_owner *owner);
/* A later release ran here, and we do not know all that its record says. */
int fleet_own_refuse_later(const struct fleet *f);
