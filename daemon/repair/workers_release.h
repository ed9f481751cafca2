/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the operator can do to worker IDs which no host renews any more. Why no ID is
 * issued twice by it:
 *
 * - No fence is lowered, and no record is deleted unless its fence is in another record
 *   written in the same commit. All writes are conditional on what was read.
 * - Freed worker IDs may be claimed once their fence has passed: only
 *   workers.recycle_delay is left out, on which nothing depends. A daemon that is alive
 *   after all continues, or finds that another host has its record and issues nothing
 *   above that fence.
 * - Only worker IDs without a known fence get one by hand, from an operator who says up to
 *   where their IDs may exist, and not while a host is alive which may have them.
 */
#include "daemon/lease/keys/view.h"

struct workers_release {
        const struct coordinator_calls *calls;
        void *coordinator;
        const struct fleet_view *view;
        struct fleet_space space;
        struct worker_set asked;
};

/* The owners of all that were asked for, as numbers of the view; malloc'ed, their
 * number in `ret_n`. Logs why they cannot be freed: -EINVAL: never used, so free;
 * -ENOENT: refused, for want of a fence; -EBUSY: their host lives, unless `force`. Pure. */
int workers_release_owners(const struct workers_release *release, bool force, size_t **ret,
                           size_t *ret_n);
/* Marks that owner's worker IDs as freed and ends its session, if there is one.
 * -EAGAIN: its record has changed meanwhile; else what commit() says. Logs nothing. */
int workers_release_free(const struct workers_release *release, size_t owner);

/* May these get a fence by hand? Logs why not: -EEXIST: one of them has one; -EPROTO,
 * -EBUSY: a live host may have them. Pure. */
int workers_release_check(const struct workers_release *release);
/* Writes a record of all that were asked for, as of a host that is gone, with that
 * fence or the highest known one of them; `by` says who did it, and `random` is any
 * number. Damaged records are removed when nothing is refused any more. Results as
 * workers_release_free(); -E2BIG: too many records at once. */
int workers_release_fence(const struct workers_release *release, uint64_t fence_tick,
                          const char *by, int64_t unix_ms, const uint64_t random[4],
                          uint64_t *ret_fence_tick);
