/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The backend of all coordinators, see KEYS.md and fleet.h: the state directory, which
 * remembers the record of this host; who the host is; the claim. A kind of
 * coordinator adds how to connect, and names for messages.
 */
#include "daemon/lease/backend.h"
#include "daemon/lease/keys/coordinator.h"
#include "daemon/util/log_events.h"

struct fleet_connection {
        const struct coordinator_calls *calls;
        void *coordinator;
        int64_t ttl_ns; /* of a session, as configured */
        char *place;    /* malloc'ed: where the fence is kept, for messages */
};

struct fleet_kind {
        const char *name; /* and the section of its keys: "etcd" */
        const struct log_event *claim_event, *access_event;
        const char *access_remedy; /* what to correct when it denies access */
        const char *remedy; /* what the operator can do when it does not serve */
        /* Does not connect yet. Logs its errors. After an error `ret`, which was zeroed,
         * has what was made until then. `config` and `counters` outlive the connection. */
        int (*connect)(const struct config *config, struct lease_counters *counters,
                       struct fleet_connection *ret);
        void (*disconnect)(struct fleet_connection *connection); /* may be zeroed or half-built */
        /* Passwords, keys and certificates may have changed: the next call reads them anew. So it
         * does after a refusal. */
        void (*refresh)(struct fleet_connection *connection);
        /* Until then, on CLOCK_MONOTONIC, all that follows has an answer or has failed with
         * -ETIMEDOUT; 0: each request has its own time-out again. */
        void (*hurry)(struct fleet_connection *connection, int64_t until_ns);
};

/* `kind` of its open() is needed. */
extern const struct lease_backend fleet_backend;
