/* SPDX-License-Identifier: MIT */
#pragma once
/* How many worker IDs of the region are in each state, for the metrics. */
#include "daemon/lease/fleet/session.h"
#include "daemon/lease/keys/view.h"

/* What a claim has read. */
void fleet_survey_count(struct fleet *fleet, const struct fleet_view *view);
/* A claim has not read the region: `view` has its contract, and `used` or nothing; then `used` is
 * read at the next renewal. Where there can be few hosts, the region is read then, too. */
void fleet_survey_later(struct fleet *fleet, const struct fleet_view *view);
/* After each renewal that was confirmed: at every tenth one the region is read anew, each
 * host at another one. In a region of more than 1,000 hosts it is read more rarely, so that
 * all hosts together read no more than with 1,000: a list grows with the region, and so does
 * the number of those who read it. What cannot be read is left as it was. */
void fleet_survey_renewed(struct fleet *fleet);
