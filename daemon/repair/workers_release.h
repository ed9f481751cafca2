/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a person may do to worker IDs of which no host takes care any more. Why no ID
 * is given twice by it:
 *
 * - No fence goes down and no record goes without its fence being in another one that
 *   is written in the same commit. All writes are conditional on what was seen.
 * - What is freed may be claimed once its fence has passed: what is left out is only
 *   workers.recycle_delay, on which nothing depends. A daemon that lives nevertheless
 *   goes on, or finds its record another's and hands out nothing above that fence.
 * - A fence is made up for worker IDs alone of which nobody knows one, by a person
 *   who says up to where their IDs may exist; and not while a host lives which may be
 *   the one that has them.
 */
#include "daemon/lease/fleet/view.h"

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
 * -EBUSY: a host that lives may have them. Pure. */
int workers_release_check(const struct workers_release *release);
/* Writes a record of all that were asked for, as of a host that is gone, with that
 * fence or the highest known one of them; `by` says who did it, and `random` is any
 * number. Damaged records are removed when nothing is refused any more. Results as
 * workers_release_free(); -E2BIG: too many records at once. */
int workers_release_fence(const struct workers_release *release, uint64_t fence_tick,
                          const char *by, int64_t unix_ms, const uint64_t random[4],
                          uint64_t *ret_fence_tick);
