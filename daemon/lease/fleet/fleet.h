/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A host's lease among many: claim, renew with the fence, take back, release, over
 * any coordinator. Time and randomness come from outside, so it can be simulated.
 *
 * Why no two hosts hand out one ID, whatever clocks, sessions and messages do:
 *
 * - Every write of a host's record is conditional on the revision which its writer
 *   knows. A claim of worker IDs rewrites or deletes the record of whoever had them,
 *   in the same commit. So of a renewal and a claim that meet, one fails.
 * - A daemon promises nothing above a fence before that fence is in its record.
 * - The claim's commit fails unless the records are those which it has seen; their
 *   fences are therefore final, and the new owner begins above all of them.
 *
 * The session (alive/LIFE) only says whose workers it would be a pity to take, and
 * the deadline only when to stop raising the fence under one session.
 */
#include <stdatomic.h>

#include "daemon/lease/fleet/coordinator.h"
#include "daemon/lease/fleet/view.h"
#include "daemon/lease/backend.h"

struct fleet_environment {
        int64_t (*boot_ns)(void *context);     /* CLOCK_BOOTTIME */
        int64_t (*unix_ms)(void *context);     /* CLOCK_REALTIME */
        void (*random)(void *context, uint8_t bytes[16]);
        void *context;
};

struct fleet_parts {
        const struct coordinator_calls *calls;
        void *coordinator;
        struct fleet_environment environment;
        struct fleet_space space;
        uint32_t count, max_count; /* less than count is count */
        int64_t recycle_delay_ns;
        int64_t ttl_ns;
        struct record_identity who;
        /* of the daemon before, from the same state directory; "": a first start */
        char nonce[RECORD_HEX];
        char space_name[RECORD_HEX]; /* likewise: the name of the ID space it was in */
        bool forgetful; /* the shared memory of the daemon before is gone, if there was one */
        /* IDs up to it may be this host's from another backend, whatever the workers */
        uint64_t floor_tick;
        struct lease_counters *counters;
};

struct fleet;

int fleet_new(struct fleet **ret, const struct fleet_parts *parts);
struct fleet *fleet_free(struct fleet *fleet); /* tells the coordinator nothing */

/* One attempt. -EAGAIN: another host was quicker, again; -ETIMEDOUT, -EIO: the
 * coordinator does not answer, again; else it is refused, and was logged. */
int fleet_claim(struct fleet *fleet, struct lease_grant *ret);
/* What is to be kept for the next daemon, after a claim. */
const char *fleet_nonce(const struct fleet *fleet);
const char *fleet_space_name(const struct fleet *fleet);

/* Shows the host alive and makes the fence durable, in one write; never below an
 * earlier one. -ESTALE: the worker IDs went to another, for ever; else as above. */
int fleet_renew(struct fleet *fleet, uint64_t fence_tick);
/* It did, or a copy of this daemon goes on with them: its record is not ours any more. */
bool fleet_lost(const struct fleet *fleet);
/* The next time for it, on CLOCK_BOOTTIME. */
int64_t fleet_renew_due(const struct fleet *fleet);

/*
 * The run grows at its end, up to `count`, by as many worker IDs as are free there: 0 if
 * it is longer then (or that long already); -EBUSY: none is free; -EAGAIN: after the next
 * renewal; -ESTALE and the rest as above. It may also have grown, or shrunk, by a commit
 * whose answer came late: see fleet_run() after each call. What others had is theirs up to
 * a tick which fleet_run() tells; the fence never comes down below that.
 *
 * It only grows, and fleet_shrink() only shrinks. An earlier shrink whose answer was lost
 * may have failed by now, so that the run is longer than `count`: there may be promises
 * beyond it which this host does not know of.
 */
int fleet_grow(struct fleet *fleet, uint32_t count);
/* The run keeps its first `count`; the others are given back, in a record of their own.
 * IDs of those exist up to `last_tick` at most, and none will be above. */
int fleet_shrink(struct fleet *fleet, uint32_t count, uint64_t last_tick);
/* How many worker IDs the run has for certain; above `ret_above_tick` all of them are ours. */
uint32_t fleet_run(const struct fleet *fleet, uint64_t *ret_above_tick);

/* The fence comes down to that, and the worker IDs may rest. */
int fleet_release(struct fleet *fleet, uint64_t fence_tick);
