/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A restart while the coordinator is away: the host goes on with the worker IDs that it
 * remembers, up to the fence that it remembers, until the coordinator confirms both.
 *
 * Why nobody else issues the same IDs: whoever claims these worker IDs begins above the fence
 * in their record, and that is never below the one remembered here. A higher one is remembered
 * after the coordinator has confirmed it, a lower one (of a release) and a shorter run (of a
 * shrink) before they are sent. Nothing is promised above the remembered fence, and no run
 * grows or shrinks, before fleet_confirm() has put the record into a new session.
 */
#include "daemon/lease/fleet/session.h"

/* Is there anything remembered that can be gone on with? */
bool fleet_can_resume(const struct fleet *fleet);
/* -ENOENT: there is not. */
int fleet_resume(struct fleet *fleet, struct lease_grant *ret);
/* After that: puts the run into a session of this daemon. -ESTALE: it is another host's; else as
 * fleet_renew(). */
int fleet_confirm(struct fleet *fleet);
