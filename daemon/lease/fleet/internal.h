/* SPDX-License-Identifier: MIT */
#pragma once
/* A fleet as the steps of the algorithm share it. */
#include "daemon/lease/keys/record.h"
#include "daemon/lease/fleet/session.h"

struct fleet {
        struct fleet_parts parts;
        struct record_host record; /* ours, as last written */
        struct record_contract contract; /* as we found or wrote it last */
        int64_t contract_modified;
        int trouble;     /* of the contract, at the last look: it was told */
        uint64_t claims; /* of the region, at our last claim; 0: in an earlier copy */
        int64_t claimed_unix_ms; /* the run, or what it has grown by; see brake.h */
        /* how all lives of this daemon begin; see session.h */
        char lives[RECORD_HEX];
        uint32_t n_lives;
        bool anew;   /* a claim has found that we have no run to continue with */
        bool others; /* another host may have had the worker IDs since a daemon of this boot had */
        int64_t modified, alive_modified; /* of host/NONCE and alive/LIFE, as far as known */
        struct worker_set resized; /* while `resizing`: the run which our commit may have made */
        bool resizing;
        int claim_error;      /* of the last attempt that was no conflict */
        bool lost;            /* another host has the worker IDs */
        bool doubted;         /* or may have: the next start holds against the coordinator what we know */
        bool session;         /* alive/LIFE exists, as far as is known */
        bool begun;           /* there is a session to write alive/LIFE with */
        bool uncertain;       /* a commit may be done already, or later */
        int64_t uncertain_ns; /* when the first of those was sent */
        bool late;            /* a commit may be done after its record was read again */
        /* our record as the last known commit wrote it */
        int64_t written_since;
        uint64_t written_renewals, written_fence;
        uint32_t region_hosts, until_survey; /* see survey.h; 0: none was begun */
        int64_t ttl_ns;       /* as granted */
        int64_t begun_ns;     /* when the session was asked for */
        int64_t sent_ns;      /* the last success: when the session's last TTL began, or earlier */
};
