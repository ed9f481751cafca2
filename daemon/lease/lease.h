/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The lease: a run of worker IDs which this host holds, and its durable fence.
 * One interface, several backends. Backend calls block and run in a thread of
 * the lease's own, so that a slow disk or coordinator delays no tick and no
 * client; the ledger thread only reads the durable fence and asks for more.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config/config.h"
#include "shm/statistics.h"

struct lease;

/* What a backend is asked to keep, and what it found. */
struct lease_grant {
        uint32_t worker_first; /* of the whole worker field */
        uint32_t worker_count; /* which the host may use; workers.count of them at first */
        uint64_t fence_tick; /* IDs up to and including this tick may exist; 0: none ever issued */
        bool first_start;    /* nothing was recorded before */
        bool fence_of_run;   /* it is of these worker IDs alone, whatever the host had before */
        /* others may have had the run since this boot's daemons had it: only the fence tells
         * of their IDs, and no shared memory */
        bool taken_anew;
        uint64_t above_tick; /* see lease_run */
};

/* What a backend with a coordinator counts; relaxed atomics. */
struct lease_counters {
        _Atomic int64_t claims, conflicts, renewals, failures, coordinator_errors;
        _Atomic int64_t expiry_unix_ms; /* 0: the lease does not end by itself */
        _Atomic int64_t breakers;       /* endpoints that are left out for a while */
        _Atomic int64_t expirations, renewal_ns, renewal[RENEWAL_BUCKETS];
        _Atomic int64_t waits;          /* claims that found nothing free */
        _Atomic int64_t held, resting, refused, free; /* worker IDs, at the last claim */
};

struct lease_backend {
        const char *name;
        /* Claim the run of the configuration. Logs its errors. */
        int (*open)(void **ret_backend, const struct config *config, struct lease_grant *ret);
        /* Make `fence_tick` durable where the next owner will read it; returns
         * only then. May be called with a lower fence (release). */
        int (*write_fence)(void *backend, uint64_t fence_tick);
        void (*close)(void *backend);
        /* Where the fence is kept, for messages. */
        const char *(*place)(void *backend);
        /* What a person is to do when a fence cannot be written; any thread. */
        const char *remedy;
        const char *(*error_text)(int error); /* any thread; NULL: as strerror() */
        /* The rest is for a lease which ends by itself; else NULL. */
        /* When, on CLOCK_BOOTTIME, write_fence() is to be called although no higher
         * fence was asked for; the fence is then the clock's and workers.horizon. */
        int64_t (*renew_due)(void *backend);
        /* As write_fence(), for the last time: the worker IDs are given back. */
        int (*release)(void *backend, uint64_t fence_tick);
        struct lease_counters *(*counters)(void *backend);
        /* For a run which grows and shrinks at its end, see lease_request_resize(); else NULL. */
        int (*resize)(void *backend, uint32_t count, uint64_t last_tick);
        uint32_t (*run)(void *backend, uint64_t *ret_above_tick);
};
extern const struct lease_backend lease_local;
extern const struct lease_backend lease_etcd;
extern const struct lease_backend lease_zookeeper; /* refuses where it was not built */

/* Finds the backend by name, opens it, starts the thread. */
int lease_new(struct lease **ret, const struct config *config);
/* The same with a given backend. */
int lease_new_with(struct lease **ret, const struct lease_backend *backend,
                   const struct config *config);
/* Stops the thread, lowers the fence to `last_tick` (the highest tick ever
 * promised; 0: none by this daemon, then to the fence which it found), durably,
 * closes. Returns NULL. */
struct lease *lease_release(struct lease *lease, uint64_t last_tick);

/* At start, before anything is granted: what the shared memory knows beyond the
 * fence that was found is made durable as well, and counts as found. */
int lease_persist(struct lease *lease, uint64_t fence_tick);

const struct lease_grant *lease_granted(const struct lease *lease);
/* The durable fence: reservations may end at or below it (t1 <= fence). Any thread. */
uint64_t lease_fence(const struct lease *lease);
/* From now on a lease that ends by itself is renewed, with a fence `horizon` ahead of
 * that clock. Once; `clock` outlives the lease. */
struct clock_segment;
void lease_start_renewal(struct lease *lease, const struct clock_segment *clock);
void lease_set_horizon(struct lease *lease, int64_t horizon_ns); /* any thread */
/* Ask for a higher fence; returns at once. */
void lease_raise(struct lease *lease, uint64_t fence_tick);
struct lease_run {
        uint32_t count; /* worker IDs; all that are ours for certain */
        /* What it has grown by may have been others' up to there: no ID of those at or
         * below. */
        uint64_t above_tick;
        bool resizes; /* by lease_request_resize(); else all of it is ours at any time */
        bool asked;   /* lease_request_resize() is not answered yet */
};
struct lease_run lease_run(struct lease *lease); /* any thread */
/* Asks once for a run of that length; the eventfd tells when that is answered, and
 * lease_run() how. With a `last_tick` of 0 the run only grows. With another one it only
 * shrinks, and gives its end back: of that nothing is promised above `last_tick`, and
 * nothing will be. */
void lease_request_resize(struct lease *lease, uint32_t count, uint64_t last_tick);
/* An eventfd, readable after the fence has changed or an attempt failed. */
int lease_fd(const struct lease *lease);
void lease_acknowledge(struct lease *lease); /* reads the eventfd */
int lease_error(const struct lease *lease);  /* of the last attempt: 0 or -errno */
/* Another host has the worker IDs, for ever: what is promised ends at the fence which
 * that host has seen. The daemon is to end, and the next one takes others. */
bool lease_lost(const struct lease *lease);
const char *lease_error_text(const struct lease *lease, int error); /* any thread */
/* The watchdog's, see watchdog.h; `lease` is a struct lease. While the backend is
 * at work the thread counts as alive: a disk or coordinator that hangs is told of
 * otherwise, and killing the daemon would not mend it. */
void lease_ask(void *lease, uint32_t question);
bool lease_answered(void *lease, uint32_t question);
const char *lease_place(const struct lease *lease); /* where the fence is kept, for messages */
/* What a person is to do when it cannot be raised. Any thread. */
const char *lease_remedy(const struct lease *lease);
/* NULL where nothing is counted. */
const struct lease_counters *lease_counters(const struct lease *lease);
