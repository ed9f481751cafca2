/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A backend keeps the worker IDs and the durable fence of this host: in a file, or
 * among many hosts in a coordinator. Its calls block. All of them are made by one
 * thread at a time, but for those marked "any thread".
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config/config.h"
#include "shm/statistics.h"

struct fleet_kind; /* fleet/backend.h */

/* What a backend was asked to keep, and what it found. */
struct lease_grant {
        uint32_t worker_first; /* of the whole worker field */
        uint32_t worker_count; /* which the host may use; workers.count of them at first */
        uint64_t fence_tick;   /* IDs up to and including this tick may exist; 0: none exists */
        bool first_start;      /* nothing was recorded before */
        bool fence_of_run;     /* the fence is of these worker IDs, not of all this host ever had */
        /* Others may have had the run since an earlier daemon of this boot had it: only
         * the fence covers their IDs, the shared memory does not. */
        bool taken_anew;
        uint64_t above_tick; /* see lease_run */
};

/* The run of worker IDs as it is now. */
struct lease_run {
        uint32_t count; /* worker IDs which this host certainly has */
        /* Other hosts may have used the worker IDs by which the run has grown, up to
         * this tick: no ID of those may be issued at or below it. */
        uint64_t above_tick;
        bool resizes; /* by lease_request_...(); else the whole run is always this host's */
        bool asked;   /* the last request is not answered yet */
};

/* What a backend with a coordinator counts; relaxed atomics. */
struct lease_counters {
        _Atomic int64_t claims, renewals, failures, coordinator_errors;
        /* of claims with a faster host; worker IDs that another one has now */
        _Atomic int64_t conflicts, lost;
        _Atomic int64_t expiry_unix_ms; /* 0: the lease does not expire */
        _Atomic int64_t breakers;       /* endpoints whose circuit breaker is open */
        _Atomic int64_t expirations;
        struct histogram renewal;
        _Atomic int64_t waits;          /* claims that found nothing free */
        _Atomic int64_t held, resting, refused, free; /* worker IDs, see fleet/survey.h */
};

struct lease_backend {
        /* The state directory, and the connection. `kind`: which coordinator; NULL for a
         * backend without one. Logs its errors. */
        int (*open)(void **ret_backend, const struct fleet_kind *kind, const struct config *config);
        /* One attempt to claim the run of the configuration. -EAGAIN: another host was faster;
         * -EIO, -ETIMEDOUT, -EACCES, -EBUSY: it may pass by itself; others are final. Logs its
         * errors, of those that may pass each change. */
        int (*claim)(void *backend, struct lease_grant *ret);
        /* Makes `fence_tick` durable where the next owner will read it; returns
         * only then. May be called with a lower fence (release). */
        int (*write_fence)(void *backend, uint64_t fence_tick);
        void (*close)(void *backend);
        /* Where the fence is kept, for messages. Any thread. */
        const char *(*place)(void *backend);
        /* What the operator can do when a fence cannot be written. Any thread. */
        const char *(*remedy)(void *backend);
        const char *(*error_text)(int error); /* any thread */

        /* The rest is for a lease which expires; else NULL. */

        void (*survey)(void *backend); /* reads numbers for display; after each write_fence() */
        void (*refresh)(void *backend); /* the next call reads passwords and keys anew */
        /* When, on CLOCK_BOOTTIME, write_fence() is due although no higher fence was
         * requested; the fence is then workers.horizon ahead of the guarded clock. */
        int64_t (*renew_due)(void *backend);
        /* As write_fence(), for the last time: the worker IDs are given back. */
        int (*release)(void *backend, uint64_t fence_tick);
        struct lease_counters *(*counters)(void *backend);
        /* The run grows and shrinks at its end; see lease.h. */
        int (*grow)(void *backend, uint32_t count);
        int (*shrink)(void *backend, uint32_t count, uint64_t last_tick);
        uint32_t (*run)(void *backend, uint64_t *ret_above_tick);
};
