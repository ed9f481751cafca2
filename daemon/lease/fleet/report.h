/* SPDX-License-Identifier: MIT */
#pragma once
/* What the metrics and the log say of the lease. */
#include "daemon/lease/fleet/session.h"

/* What a claim found in the region. */
void fleet_report_region(const struct fleet *f, const struct fleet_view *view);
void fleet_report_claim(const struct fleet *f, const struct lease_grant *grant);
void fleet_report_renewal(const struct fleet *f, int64_t sent_ns);
