/* SPDX-License-Identifier: MIT */
#pragma once
/* Which worker IDs of a region are free, and which run a claim takes. Pure. */
#include "daemon/lease/keys/view.h"

/* The first tick at which the worker IDs of a record with that fence may be claimed, if its
 * session is over by then. */
uint64_t fleet_free_tick(uint64_t fence_tick, bool freed, uint64_t recycle_ticks);

struct fleet_choice {
        uint32_t first;
        uint64_t fence_tick; /* the highest of all in the run */
};
/* The free run of `count` that has rested longest; worker IDs never used come first.
 * -EBUSY: there is none. */
int fleet_choose(const struct fleet_view *view, uint32_t count, uint64_t now_tick,
                 uint64_t recycle_ticks, struct fleet_choice *ret);
/* How many worker IDs in a row from `first` on are free, at most `most`. Those that `who`
 * itself has released rest only until their fence has passed; NULL: nobody's. `ret_fence`:
 * the highest of all of them. */
uint32_t fleet_extent(const struct fleet_view *view, uint32_t first, uint32_t most,
                      uint64_t now_tick, uint64_t recycle_ticks,
                      const struct record_identity *who, uint64_t *ret_fence);
/* How many worker IDs are in each state, for messages and metrics. */
struct fleet_census {
        uint32_t held, resting, refused, free;
        uint64_t first_free_tick; /* when the first resting one may be claimed */
};
struct fleet_census fleet_census(const struct fleet_view *view, uint64_t now_tick,
                                 uint64_t recycle_ticks);
