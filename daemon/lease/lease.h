/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The lease: a run of worker IDs which this host holds, and its durable fence.
 * A backend keeps both. Backend calls block, so a thread of the lease's own makes
 * them: a slow disk or coordinator delays no tick and no client. The ledger thread
 * only reads the durable fence and requests a higher one.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/lease/backend.h"

struct clock_segment;
struct lease;

/* What has become of the claim. */
struct lease_claim {
        bool over; /* with an error of 0 there are worker IDs; any other is final, and logged */
        int error; /* not over: what the last attempt met, which may pass by itself; 0: nothing */
};

/* Opens the backend and starts the thread, which claims. Without a coordinator the claim is
 * over when this returns. `kind`: see struct lease_backend. The texts of `config` outlive the
 * lease. */
int lease_new(struct lease **ret, const struct lease_backend *backend,
              const struct fleet_kind *kind, const struct config *config);
/* The eventfd signals each change. All but this, lease_fd(), lease_hurry() and the
 * watchdog's need worker IDs. */
struct lease_claim lease_claim(struct lease *lease);
/* Tries at once what does not work, and reads passwords and keys anew. */
void lease_hurry(struct lease *lease);
/* Stops before anything was promised: gives back what was claimed. False: within two seconds the
 * coordinator did not answer; the thread keeps what it has, and the process must end without
 * freeing anything of it. */
bool lease_give_up(struct lease *lease);
/* Stops the thread, lowers the fence durably to `last_tick`, and closes. `last_tick` is
 * the highest tick ever promised; with 0 this daemon promised none, and the fence
 * becomes the one it found. Returns NULL; or `lease`, if the coordinator did not answer within
 * two seconds: see lease_give_up(). */
struct lease *lease_release(struct lease *lease, uint64_t last_tick);

/* At the start, before anything is granted: makes durable what the shared memory knows
 * beyond the fence that was found; that counts as found. */
int lease_persist(struct lease *lease, uint64_t fence_tick);

const struct lease_grant *lease_granted(const struct lease *lease);
/* The durable fence: reservations may end at or below it (t1 <= fence). Any thread. */
uint64_t lease_fence(const struct lease *lease);
/* From now on a lease that expires is renewed, with a fence `horizon` ahead of that
 * clock. Call it once; `clock` outlives the lease. */
void lease_start_renewal(struct lease *lease, const struct clock_segment *clock);
void lease_set_horizon(struct lease *lease, int64_t horizon_ns); /* any thread */
/* Requests a higher fence; returns at once. */
void lease_raise(struct lease *lease, uint64_t fence_tick);

struct lease_run lease_run(struct lease *lease); /* any thread */
/* Requests a longer run, of up to `count` worker IDs; if the run is that long already,
 * nothing happens. The eventfd signals the answer, and lease_run() gives it. */
void lease_request_growth(struct lease *lease, uint32_t count);
/* Requests a shorter run and gives its end back: nothing is promised above `last_tick`
 * of the worker IDs given back, and nothing will be. If the run is that short already,
 * nothing happens. Answered as above. */
void lease_request_shrink(struct lease *lease, uint32_t count, uint64_t last_tick);

/* An eventfd, readable after the fence has changed or an attempt failed. */
int lease_fd(const struct lease *lease);
void lease_acknowledge(struct lease *lease); /* reads the eventfd */
int lease_error(const struct lease *lease);  /* of the last attempt: 0 or -errno */
/* Another host has the worker IDs for good, above the fence which that host has seen. The
 * daemon must withdraw its promises and stop; the next one takes other worker IDs. */
bool lease_lost(const struct lease *lease);
const char *lease_error_text(const struct lease *lease, int error); /* any thread */
const char *lease_place(const struct lease *lease); /* where the fence is kept, for messages */
/* What the operator can do when the fence cannot be raised. Any thread. */
const char *lease_remedy(const struct lease *lease);
/* NULL where nothing is counted. */
const struct lease_counters *lease_counters(const struct lease *lease);
/* How long writes of the fence took. Any thread. */
const struct histogram *lease_fence_writes(const struct lease *lease);
int64_t lease_horizon_ns(const struct lease *lease); /* any thread */

/* For the watchdog, see watchdog.h; `lease` is a struct lease. While the backend works
 * the thread counts as alive: a disk or coordinator that hangs is reported otherwise,
 * and killing the daemon would not repair it. */
void lease_ask(void *lease, uint32_t question);
bool lease_answered(void *lease, uint32_t question);
