/* SPDX-License-Identifier: MIT */
#pragma once
/* A fleet as the steps of the algorithm share it. */
#include "daemon/lease/fleet/record.h"
#include "daemon/lease/fleet/session.h"

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
