/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What all steps of the algorithm need: what a fleet is made of, its clocks, its keys,
 * and the life of its session.
 *
 * Each session has a life, a name that the host's record and the key alive/LIFE share.
 * All lives of one daemon begin alike.
 */
#include <stdatomic.h>

#include "daemon/lease/backend.h"
#include "daemon/lease/keys/commit.h"
#include "daemon/lease/state/fleet_memory.h"

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
        uint32_t count, max_count; /* a max_count below count means count */
        int64_t recycle_delay_ns;
        int64_t ttl_ns;
        struct record_identity who;
        struct fleet_memory memory; /* of the previous daemon with the same state directory */
        /* the ledger of the previous daemon is gone or cannot be adopted: who continues with its
         * worker IDs must wait for their fence */
        bool forgetful;
        /* this host may have issued IDs up to it with another backend, of any worker ID */
        uint64_t floor_tick;
        struct lease_counters *counters;
};

struct fleet;

int64_t fleet_boot_ns(const struct fleet *f);
int64_t fleet_unix_ms(const struct fleet *f);
uint64_t fleet_tick_now(const struct fleet *f); /* by the wall clock */
uint64_t fleet_recycle_ticks(const struct fleet *f);
uint32_t fleet_max_count(const struct fleet *f);
void fleet_draw(const struct fleet *f, char hex[RECORD_HEX]); /* a random name */
void fleet_count(_Atomic int64_t *counter);

#define FLEET_LIVES_LENGTH 24 /* what all lives of a daemon have in common */
void fleet_session_next_life(struct fleet *f);
/* Creates alive/LIFE of the session that was begun. */
void fleet_session_write_life(const struct fleet *f, struct fleet_commit *d);
int fleet_session_begin(struct fleet *f);
/* The end of the session, less a margin for clocks of unequal speed. */
int64_t fleet_session_deadline_ns(const struct fleet *f);
/* A commit that was sent at that time is done; the session's TTL began then or later. */
void fleet_session_prolong(struct fleet *f, int64_t sent_ns);
/* Takes the result `r` of a commit, and remembers what a failure leaves open. `sent_ns`:
 * when the session's TTL began, if the commit is done. Returns `r`. */
int fleet_session_settle(struct fleet *f, int r, int64_t sent_ns);
bool fleet_session_is_unknown(int error); /* the commit may have been done */
/* How many worker IDs the run certainly has; above `ret_above_tick` all of them are ours. */
uint32_t fleet_run(const struct fleet *f, uint64_t *ret_above_tick);
/* Our record is known to have these. */
void fleet_session_wrote(struct fleet *f, uint64_t renewals, uint64_t fence_tick);
/* From now on, for brake.h, the run was claimed now. */
void fleet_session_claimed(struct fleet *f);
/* Another host may have had the worker IDs since our last commit. */
bool fleet_session_fence_has_passed(const struct fleet *f);
/* Another host has the worker IDs: this one stops. Returns -ESTALE. */
int fleet_session_lose(struct fleet *f, const char *why);
/* The session is over, by the coordinator or by our clock. */
void fleet_session_expire(struct fleet *f, const char *why);
