/* SPDX-License-Identifier: MIT */
#pragma once
/* What claiming and renewing share. */
#include "daemon/lease/fleet/fleet.h"

struct fleet {
        struct fleet_parts parts;
        struct record_host record; /* ours, as it was written last */
        char space_name[RECORD_HEX]; /* the contract's, as a claim found or drew it */
        /* each session has a life of its own; all of this daemon's begin alike */
        char lives[RECORD_HEX];
        uint32_t n_lives;
        bool others; /* the worker IDs had another owner since this boot's daemons, or may have */
        int64_t modified, alive_modified; /* of host/NONCE and alive/LIFE, as far as known */
        struct worker_set resized; /* while `resizing`: what a commit of ours may have made of it */
        bool resizing;
        bool lost;            /* another has the worker IDs */
        bool session;         /* alive/LIFE is there, as far as is known */
        bool begun;           /* there is a session to write it with */
        bool uncertain;       /* a commit may have been done, or may still be */
        int64_t uncertain_ns; /* when the first of those was sent */
        bool late;            /* one may be done after it was looked for */
        uint64_t written_renewals, written_fence; /* of our last commit that we know of */
        int64_t ttl_ns;       /* as granted */
        int64_t begun_ns;     /* when the session was asked for */
        int64_t sent_ns;      /* the last success: when the session's last TTL began, or earlier */
};

int64_t fleet_boot_ns(const struct fleet *f);
uint64_t fleet_tick_now(const struct fleet *f); /* by the wall clock */
void fleet_draw(const struct fleet *f, char hex[RECORD_HEX]);
uint32_t fleet_most(const struct fleet *f); /* worker IDs */
#define FLEET_LIVES_LENGTH 24
void fleet_next_life(struct fleet *f);
void fleet_count(_Atomic int64_t *counter);
const char *fleet_key_of(const struct fleet *f, char key[FLEET_KEY_MAX], const char *kind,
                         const char *name);
/* The end of the session, less a margin for clocks of unequal speed. */
int64_t fleet_deadline_ns(const struct fleet *f);
/* A commit sent at that time is done. */
void fleet_succeeded(struct fleet *f, int64_t sent_ns);
int fleet_begin_session(struct fleet *f);
bool fleet_unknown(int error); /* it may have been done */
/* Judges what is there. A commit of ours that is still on its way has the check of
 * the revision before, so that it fails once the next one is done. */
int fleet_reread(struct fleet *f);
/* Remembers what a failure leaves open. `sent_ns`: when the session's TTL began, if it is
 * done. Returns `r`. */
int fleet_settle(struct fleet *f, int r, int64_t sent_ns);

/* ---- report.c: what metrics and log are told */

/* The session is over, whoever found out. */
void fleet_expired(struct fleet *f, const char *why);
/* What a claim found in the region. */
void fleet_report_region(const struct fleet *f, const struct fleet_view *view);
void fleet_report_claim(const struct fleet *f, const struct lease_grant *grant);
void fleet_report_renewal(const struct fleet *f, int64_t sent_ns);
