/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A view of a few keys in place of a whole region, so that what a host reads does not grow
 * with their number: what fleet_view_contract() has read, its own record, and which worker IDs
 * were ever used.
 */
#include "daemon/lease/keys/view.h"

/* Adds the record of that name, if there is one; nobody looked whether its host is alive. */
int fleet_view_add_host(struct fleet_view *view, const struct coordinator_calls *calls,
                        void *coordinator, const struct fleet_space *space, const char *nonce);
/* Looks whether the hosts that were added are alive. */
int fleet_view_add_lives(struct fleet_view *view, const struct coordinator_calls *calls,
                         void *coordinator, const struct fleet_space *space);
/* Adds the key `used`: what was used is refused, as its fence was not read. 1: the
 * region was not begun, or the key is missing; fleet_view_read() can tell. */
int fleet_view_add_used(struct fleet_view *view, const struct coordinator_calls *calls,
                        void *coordinator, const struct fleet_space *space);
